import GRDB
import JSONText
import Ledger
import Music

/// What a query's rows are to people and to scripts: one column for each of its own, in order.
struct Listing {
    /// A column: its key in JSON, its heading in a table, and what its values are.
    struct Column {
        enum Kind { case text, number, time, duration, names, channels, verdict }
        let key: String
        /// Nil for a column that only scripts see.
        let heading: String?
        let kind: Kind

        init(_ key: String, _ heading: String? = nil, _ kind: Kind = .text) {
            self.key = key
            self.heading = heading
            self.kind = kind
        }
    }

    let columns: [Column]
    let rows: [Row]

    /// Prints all of it, as a table or as a JSON array.
    func print(_ globals: GlobalOptions) {
        guard !globals.json else { return Output.json(json) }
        let shown = columns.indices.filter { columns[$0].heading != nil }
        let right = shown.indices.filter { [.number, .duration].contains(columns[shown[$0]].kind) }
        Output.table(
            shown.map { columns[$0].heading ?? "" },
            rows.map { row in shown.map { cell(row, $0) } },
            right: Set(right))
    }

    /// Prints one row under the names of its columns.
    func printFirst(_ globals: GlobalOptions, more: [(String, JSON)], lines: [[String]]) {
        guard let row = rows.first else { return }
        guard !globals.json else { return Output.json(.object(members(row) + more)) }
        let known = columns.indices.filter { !cell(row, $0).isEmpty && columns[$0].heading != nil }
        Output.table(["", ""], known.map { [columns[$0].heading ?? "", cell(row, $0)] } + lines)
    }

    /// The rows as a JSON array.
    var json: JSON { .array(rows.map { .object(members($0)) }) }

    /// A row's members in JSON.
    func members(_ row: Row) -> [(String, JSON)] {
        columns.enumerated().map { index, column in (column.key, json(row, index, column.kind)) }
    }

    /// A value as a person reads it.
    func cell(_ row: Row, _ index: Int) -> String {
        switch columns[index].kind {
        case .text: row[index] ?? ""
        case .channels: channels(row[index]).joined(separator: ", ")
        case .verdict: (row[index] as String?).map { "no, \($0)" } ?? "yes"
        case .number: (row[index] as Int64?).map(String.init) ?? ""
        case .time: (row[index] as Int64?).map { ISOTime.text($0, fraction: false) } ?? "–"
        case .duration: (row[index] as Int64?).map(Output.duration) ?? ""
        case .names: artistNames(row[index]).joined(separator: ", ")
        }
    }

    private func json(_ row: Row, _ index: Int, _ kind: Column.Kind) -> JSON {
        switch kind {
        case .text, .verdict: JSON(row[index] as String?)
        case .number, .duration: JSON(row[index] as Int64?)
        case .time: JSON((row[index] as Int64?).map { ISOTime.text($0) })
        case .names: .texts(artistNames(row[index]))
        case .channels: .texts(channels(row[index]))
        }
    }

    /// The names of ranks with commas between them, in their order.
    private func channels(_ ranks: String) -> [String] {
        ranks.split(separator: ",").compactMap { Int64($0) }.sorted()
            .compactMap { Channel(rawValue: $0)?.name }
    }
}
