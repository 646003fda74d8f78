import Ledger
import TestSupport
import Testing

@Suite("Loss of power")
struct CrashTests {
    private struct Outcome {
        var crashes = 0
        var torn = 0
        var refused = 0
        var lost = 0
    }

    /// Works on a disk, lets it crash before every call, and opens what is left.
    ///
    /// - Parameter isHonest: Whether an event counts as acknowledged when the append has returned, or
    ///   already before it is made: the broken writer of the negative control.
    private func run(seed: UInt64, isHonest: Bool = true) throws -> Outcome {
        var outcome = Outcome()
        var acknowledged: Seq = 0
        var lines: [String] = []
        let disk = CrashDisk(seed: seed) { left in
            outcome.crashes += 1
            guard left["/ledger/FORMAT"] != nil else {
                outcome.lost += acknowledged > 0 ? 1 : 0
                return
            }
            do {
                let test = try TestLedger(on: left)
                let writer = try test.writer()
                _ = try writer.refresh()
                outcome.torn += writer.notices.isEmpty ? 0 : 1
                let found = try read(test.ledger()).lines.filter { !$0.contains("tail_discarded") }
                let isPrefix = zip(found, lines).allSatisfy { $0 == $1 }
                outcome.lost += isPrefix && found.count >= acknowledged ? 0 : 1
            } catch let error as LedgerError {
                // Safe, but a person would have to decide.
                if error.message.contains("(R6)") {
                    outcome.refused += 1
                } else {
                    Issue.record(error, "seed \(seed)")
                }
            } catch { Issue.record(error) }
        }
        var generator = SplitMix64(seed: ~seed)
        let test = try TestLedger(on: disk)
        let writer = try test.writer()
        for number in 1...8 {
            let size = [10, 400, 1500, 6000][Int.random(in: 0...3, using: &generator)]
            let new = event(number, size: size)
            lines.append(
                String(
                    decoding: new.line(seq: Seq(number), at: TestLedger.now, run: TestLedger.run),
                    as: UTF8.self))
            if !isHonest { acknowledged += 1 }
            try writer.append([new])
            if isHonest { acknowledged += 1 }
            if Int.random(in: 0...2, using: &generator) == 0 { try writer.close() }
            if Int.random(in: 0...5, using: &generator) == 0 { _ = try writer.seal(all: true) }
        }
        return outcome
    }

    @Test("Whenever it comes, nothing acknowledged is lost and what is left opens by itself")
    func crashes() throws {
        var total = Outcome()
        for seed in 0..<40 as Range<UInt64> {
            let outcome = try run(seed: seed)
            #expect(outcome.lost == 0, "seed \(seed)")
            total.crashes += outcome.crashes
            total.torn += outcome.torn
            total.refused += outcome.refused
        }
        #expect(total.crashes > 4000 && total.torn > 500)
        // Fewer than 12 zeros at a commit's end prove nothing: a few tails in ten thousand need a person.
        #expect(
            total.refused * 100 < total.torn,
            "\(total.refused) refused, \(total.torn) torn, \(total.crashes) crashes")
    }

    @Test("A writer that acknowledges before the sync is caught")
    func negativeControl() throws {
        #expect(try run(seed: 1, isHonest: false).lost > 0)
    }
}
