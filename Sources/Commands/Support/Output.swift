import CTerm
import Foundation
import JSONText

/// What a program prints: data to stdout, everything else to stderr.
enum Output {
    /// Writes a line of data.
    static func line(_ text: String) {
        write(Array((text + "\n").utf8), to: 1)
    }

    /// Writes a JSON document.
    static func json(_ value: JSON) {
        write(value.bytes + [0x0A], to: 1)
    }

    /// Writes a line for the person at the terminal.
    static func note(_ text: String) {
        write(Array((safe(text) + "\n").utf8), to: 2)
    }

    /// Writes bytes whole; a reader that went away ends the program, as the shell expects.
    static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if put > 0 { done += put } else if errno != EINTR { return }
        }
    }

    /// Prints rows under headings, columns aligned by what a terminal shows.
    ///
    /// - Parameter right: Columns that are aligned to the right.
    static func table(_ headings: [String], _ rows: [[String]], right: Set<Int> = []) {
        let hasHeadings = headings.contains { !$0.isEmpty }
        let cells = ((hasHeadings ? [headings] : []) + rows).map { $0.map(safe) }
        let limit = isatty(1) == 1 ? 60 : Int.max
        let widths = headings.indices.map { column in
            cells.map { min(width($0[column]), limit) }.max() ?? 0
        }
        for row in cells {
            let line = row.enumerated().map { column, cell -> String in
                let cut = width(cell) > limit ? shortened(cell, to: limit) : cell
                let space = String(repeating: " ", count: max(0, widths[column] - width(cut)))
                return right.contains(column) ? space + cut : cut + space
            }.joined(separator: "  ")
            self.line(String(line.reversed().drop { $0 == " " }.reversed()))
        }
    }

    /// A text that cannot move the cursor, ring the bell or turn the line around.
    static func safe(_ text: String) -> String {
        replacing(in: text, with: "\u{FFFD}") {
            switch $0.value {
            case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069: true
            default: false
            }
        }
    }

    /// A text with another scalar in the place of some.
    static func replacing(
        in text: String, with other: Unicode.Scalar, where isGone: (Unicode.Scalar) -> Bool
    ) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { isGone($0) ? other : $0 }))
    }

    /// The columns that a terminal gives to a text; a character is at most two wide.
    static func width(_ text: String) -> Int {
        text.reduce(0) { sum, character in
            let widths = character.unicodeScalars.map { max(0, Int(narada_scalar_width($0.value))) }
            return sum + min(2, widths.reduce(0, +))
        }
    }

    private static func shortened(_ text: String, to limit: Int) -> String {
        var result = ""
        var used = 0
        for character in text {
            used += width(String(character))
            if used >= limit { break }
            result.append(character)
        }
        return result + "…"
    }

    /// A number with its noun: `1 row`, `2 rows`.
    static func count(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(number) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// Whole minutes and seconds.
    static func duration(_ milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        return "\(seconds / 60):\(seconds % 60 < 10 ? "0" : "")\(seconds % 60)"
    }
}

/// Progress of long work on stderr: a bar on a terminal, nothing for the first second.
final class Progress: @unchecked Sendable {
    // Guarded by `lock`: a projector reports from whatever thread it folds on.
    private let lock = NSLock()
    private let isShown: Bool
    private let started = ContinuousClock().now
    private var drawn = ContinuousClock().now
    private var hasDrawn = false

    init(_ globals: GlobalOptions) {
        let environment = ProcessInfo.processInfo.environment
        isShown =
            isatty(2) == 1 && !globals.quiet && !globals.json && environment["NO_COLOR"] == nil
            && environment["TERM"] != "dumb"
    }

    /// Shows how far the work has come.
    func show(_ what: String, _ done: Int, of total: Int?) {
        guard isShown else { return }
        lock.withLock {
            let now = ContinuousClock().now
            guard now - started > .seconds(1), now - drawn > .milliseconds(100) else { return }
            drawn = now
            hasDrawn = true
            var bar = ""
            if let total, total > 0 {
                let filled = String(repeating: "#", count: min(24, 24 * done / total))
                let rest = String(repeating: ".", count: 24 - filled.count)
                bar = "[\(filled)\(rest)] \(min(100, 100 * done / total)) %"
            }
            Output.write(Array("\r\u{1B}[K\(what) \(bar) \(done)".utf8), to: 2)
        }
    }

    /// Takes the bar away.
    func finish() {
        lock.withLock {
            if hasDrawn { Output.write(Array("\r\u{1B}[K".utf8), to: 2) }
            hasDrawn = false
        }
    }
}

/// Names that a person may have meant, nearest first.
func nearest(_ text: String, among names: [String], limit: Int = 3) -> [String] {
    let wanted = text.lowercased()
    let scored = Set(names).compactMap { name -> (String, Int)? in
        let candidate = name.lowercased()
        let distance = editDistance(
            Array(wanted.unicodeScalars.prefix(64)), Array(candidate.unicodeScalars.prefix(64)))
        let isPart = candidate.contains(wanted) || wanted.contains(candidate) && !candidate.isEmpty
        return isPart || distance <= max(2, wanted.count / 3)
            ? (name, isPart ? min(distance, 1) : distance) : nil
    }
    return scored.sorted { ($0.1, $0.0) < ($1.1, $1.0) }.prefix(limit).map(\.0)
}

/// The names that may have been meant as a hint; nil if none is near.
func didYouMean(_ text: String, among names: [String]) -> String? {
    let near = nearest(text, among: names)
    return near.isEmpty ? nil : "did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
}

/// How many insertions, removals and replacements lead from one text to the other (Levenshtein).
private func editDistance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    var row = Array(0...right.count)
    for (index, scalar) in left.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in right.indices {
            let replaced = diagonal + (scalar == right[column] ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(diagonal + 1, row[column] + 1, replaced)
        }
    }
    return row[right.count]
}
