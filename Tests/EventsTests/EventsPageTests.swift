import Events
import Foundation
import Testing

@Suite("The page of events")
struct EventsPageTests {
    /// A table of all types, a section a family, as `docs/events.md` has it.
    private var table: String {
        let families = Dictionary(grouping: Catalogue.types) {
            String($0.kind.rawValue.prefix { $0 != "." })
        }
        var lines: [String] = []
        for (family, types) in families.sorted(by: { $0.key < $1.key }) {
            lines += [
                "", "### \(family)", "", "| type | v | stream | meaning |", "|---|---|---|---|",
            ]
            lines += types.map {
                let stream = $0.stream.replacing("|", with: "\\|")
                return "| `\($0.kind.rawValue)` | \($0.version) | `\(stream)` | \($0.meaning) |"
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test("The page names every type of the catalogue, with its stream and meaning")
    func page() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/events.md").standardizedFileURL
        let page = try String(contentsOf: path, encoding: .utf8)
        let start = try #require(page.firstRange(of: "## All types\n")).upperBound

        if ProcessInfo.processInfo.environment["NARADA_UPDATE_GOLDENS"] == "1" {
            try (page[..<start] + table).write(to: path, atomically: true, encoding: .utf8)
        } else {
            #expect(page[start...] == table)
        }
    }
}
