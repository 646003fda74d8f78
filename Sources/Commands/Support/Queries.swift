import GRDB
import JSONText
import Ledger

/// Queries whose arguments stand behind their text.
extension Database {
    typealias Argument = (any DatabaseValueConvertible)?

    func rows(_ sql: String, _ arguments: Argument...) throws -> [Row] {
        try Row.fetchAll(self, sql: sql, arguments: StatementArguments(arguments))
    }

    func row(_ sql: String, _ arguments: Argument...) throws -> Row? {
        try Row.fetchOne(self, sql: sql, arguments: StatementArguments(arguments))
    }

    /// The first column of each row.
    func values<T: DatabaseValueConvertible>(_ sql: String, _ arguments: Argument...) throws -> [T]
    {
        try T.fetchAll(self, sql: sql, arguments: StatementArguments(arguments))
    }

    /// The first column of the first row; nil where that is NULL or there is none.
    func value<T: DatabaseValueConvertible>(_ sql: String, _ arguments: Argument...) throws -> T? {
        try T.fetchOne(self, sql: sql, arguments: StatementArguments(arguments))
    }

    /// The last event that the read models hold.
    var seq: Seq { get throws { try value("SELECT seq FROM checkpoint") ?? 0 } }
}

extension Ledger {
    /// Visits events in order.
    ///
    /// - Returns: The last seq that there is up to `last`.
    @discardableResult
    func visit(
        after: Seq = 0, through last: Seq? = nil, _ visit: (EventLine) throws -> Void
    ) throws -> Seq {
        let cursor = try LedgerCursor(self, after: after, through: last, chained: false)
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                if let line = EventLine(batch[index]) { try visit(line) }
            }
        }
        return cursor.checkpoint.seq
    }

    /// Reads one event; nil if there is none with that seq.
    func event<R>(_ seq: Seq, _ read: (EventLine) throws -> R) throws -> R? {
        var result: R?
        try visit(after: seq - 1, through: seq) { result = try read($0) }
        return result
    }
}

extension JSON {
    /// An array of texts.
    static func texts(_ texts: some Sequence<String>) -> JSON { .array(texts.map { .text($0) }) }

    /// An array of numbers.
    static func numbers(_ numbers: some Sequence<Int>) -> JSON { .array(numbers.map { JSON($0) }) }
}
