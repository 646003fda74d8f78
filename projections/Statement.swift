import GRDBSQLite
public import JSONText

/// SQLite refused a statement; its own words and extended code.
public struct SQLiteFailure: Error, CustomStringConvertible {
    public let code: Int32
    public let description: String

    init(_ database: OpaquePointer?) {
        code = sqlite3_extended_errcode(database)
        description = String(cString: sqlite3_errmsg(database))
    }
}

/// What a parameter of a statement can hold beside null.
public protocol Bindable {
    /// Binds itself to a parameter.
    func bind(to statement: Statement, _ index: Int32)
}
extension Int64: Bindable {
    public func bind(to statement: Statement, _ index: Int32) { statement.bind(index, self) }
}
extension String: Bindable {
    public func bind(to statement: Statement, _ index: Int32) { statement.bind(index, self) }
}
/// Binds the text of a JSON string, or null for anything else.
extension JSONValue: Bindable {
    public func bind(to statement: Statement, _ index: Int32) { statement.bind(index, text: self) }
}

/// The statements of a fold, each prepared when it is first used.
public final class Statements {
    private let database: OpaquePointer
    private var prepared: [String: Statement] = [:]

    /// Prepares on a database.
    public init(_ database: OpaquePointer) { self.database = database }

    /// The statement of a text, its parameters bound in order.
    public func callAsFunction(_ sql: String, _ values: (any Bindable)?...) throws -> Statement {
        let statement = try prepared[sql] ?? Statement(database, sql)
        prepared[sql] = statement
        statement.bind(values)
        return statement
    }
}

/// A prepared statement of the inner loop: the C API on a connection that GRDB opened.
public final class Statement {
    private let database: OpaquePointer
    private var statement: OpaquePointer?

    /// Prepares SQL.
    public init(_ database: OpaquePointer, _ sql: String) throws {
        self.database = database
        let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
        guard sqlite3_prepare_v3(database, sql, -1, flags, &statement, nil) == SQLITE_OK else {
            throw SQLiteFailure(database)
        }
    }

    deinit { sqlite3_finalize(statement) }

    /// Binds the parameters in order.
    func bind(_ values: [(any Bindable)?]) {
        for (index, value) in values.enumerated() {
            if let value {
                value.bind(to: self, Int32(index + 1))
            } else {
                void(sqlite3_bind_null(statement, Int32(index + 1)))
            }
        }
    }

    /// Binds a number or null.
    public func bind(_ index: Int32, _ value: Int64?) {
        if let value {
            sqlite3_bind_int64(statement, index, value)
        } else {
            sqlite3_bind_null(statement, index)
        }
    }

    /// Binds a text or null.
    public func bind(_ index: Int32, _ value: String?) {
        guard var value else { return void(sqlite3_bind_null(statement, index)) }
        value.withUTF8 { bytes in bindCopy(index, bytes) }
    }

    /// Binds the text of a JSON string, or null for anything else.
    public func bind(_ index: Int32, text value: JSONValue?) {
        guard let value, value.isText else { return void(sqlite3_bind_null(statement, index)) }
        value.withText { bindCopy(index, $0) }
    }

    private func bindCopy(_ index: Int32, _ bytes: Bytes) {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        var empty: UInt8 = 0
        withUnsafePointer(to: &empty) { none in
            (bytes.baseAddress ?? none).withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                void(sqlite3_bind_text(statement, index, $0, Int32(bytes.count), transient))
            }
        }
    }

    private func void(_ code: Int32) {
        precondition(code == SQLITE_OK, "a parameter that the statement does not have")
    }

    /// Runs a statement that gives no rows, with these parameters if they were not bound before.
    public func run(_ values: (any Bindable)?...) throws {
        bind(values)
        let code = sqlite3_step(statement)
        guard code == SQLITE_DONE || code == SQLITE_ROW else {
            let failure = SQLiteFailure(database)
            sqlite3_reset(statement)
            throw failure
        }
        sqlite3_reset(statement)
    }

    /// Visits the rows of a query.
    public func each(_ visit: (Statement) throws -> Void) throws {
        defer { sqlite3_reset(statement) }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: try visit(self)
            case SQLITE_DONE: return
            default: throw SQLiteFailure(database)
            }
        }
    }

    /// The first row's value; nil if there is no row.
    public func first<R>(_ value: (Statement) -> R) throws -> R? {
        defer { sqlite3_reset(statement) }
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return value(self)
        case SQLITE_DONE: return nil
        default: throw SQLiteFailure(database)
        }
    }

    /// A column's number.
    public func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    /// Whether a column is null.
    public func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(statement, column) == SQLITE_NULL
    }

    /// A column's text, or nil for null.
    public func text(_ column: Int32) -> String? {
        sqlite3_column_text(statement, column).map { String(cString: $0) }
    }
}
