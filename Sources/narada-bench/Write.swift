import ArgumentParser
import Events
import JSONText
import Ledger

/// Writes the ledger of the life that `tools/bench-life` tells on stdin, commit by commit.
struct Write: ParsableCommand {
    @Option var home: String

    func run() throws {
        _ = try Ledger.create(home + "/ledger", id: "00000000-0000-4000-8000-000000000000")
        let ledger = try Ledger(home + "/ledger")
        var writer: LedgerWriter?
        var commit: [NewEvent] = []
        while let text = readLine() {
            guard !text.isEmpty else {
                try writer?.append(commit)
                commit = []
                continue
            }
            try Array(text.utf8).withUnsafeBufferPointer { bytes in
                let line = JSONValue(bytes)
                guard let at = line["at"]?.integer, let run = line["run"]?.text else {
                    return commit.append(try Catalogue.newEvent(line))
                }
                try finish(writer)
                writer = try LedgerWriter(
                    ledger, run: run, clock: Clock(fixedAt: at), holder: "bench")
            }
        }
        try finish(writer)
    }

    private func finish(_ writer: LedgerWriter?) throws {
        try writer?.close()
        _ = try writer?.seal(all: false)
    }
}
