import Foundation
import Ledger
import TestSupport

/// A life on a disk in memory that may lose power before every call and where some calls fail.
///
/// A case is a seed: two writers append, close, seal and repair in turn. What every crash leaves is recovered:
/// it must be a prefix of what was attempted, hold all that was acknowledged, and a second recovery must change
/// nothing.
@Sendable func simulatedDisk(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    for seed in plan.seeds {
        let life = SimulatedLife(seed: seed, plan)
        do { try life.run() } catch {
            life.tally.fail(.wrong, "\(error), seed \(seed)")
        }
        tally.cases += 1
        tally.faults += life.crashes + life.disk.faults
        tally.count("crashes", life.crashes)
        tally.count("failed calls", life.disk.faults)
        tally.count("torn tails", life.torn)
        tally.count("asked a person", life.asked)
        tally.count("asked a person, SUSPECT could not be written", life.noteless)
        for (kind, number) in life.tally.found { tally.found[kind, default: 0] += number }
        tally.failures += life.tally.failures.prefix(max(0, 5 - tally.failures.count))
    }
    return tally
}

private final class SimulatedLife {
    private let seed: UInt64
    private let plan: Plan
    private var random: SplitMix64
    var tally = Tally()
    var crashes = 0
    var torn = 0
    var asked = 0
    var noteless = 0
    private(set) var disk: CrashDisk
    /// Numbers of the events that are in the log, as far as it was acknowledged.
    private var kept: [Int] = []
    /// How many of them a repair that is going on leaves for sure.
    private var sure: Int?
    /// Commits that were begun since: each may be there, whole.
    private var begun: [[Int]] = []
    private var number = 0

    init(seed: UInt64, _ plan: Plan) {
        self.seed = seed
        self.plan = plan
        random = SplitMix64(seed: ~seed)
        disk = CrashDisk(seed: seed) { _ in }
        // Half of the lives see calls fail: one, some, or all from a moment on.
        let first = Int.random(in: 5...90, using: &random)
        let length = [1, 1, 2, 1000][Int.random(in: 0...3, using: &random)]
        let code = [ENOSPC, EIO, EDQUOT, EROFS][Int.random(in: 0...3, using: &random)]
        let fails = Bool.random(using: &random) || plan.broken == .retryAfterEIO
        disk = CrashDisk(
            seed: seed,
            failing: { fails && $0 >= first && $0 < first + length ? code : nil },
            look: { [unowned self] in self.look(at: $0) })
    }

    private let isTold = ProcessInfo.processInfo.environment["TORTURE_TRACE"] != nil

    func run() throws {
        let shown = plan.disk(disk)
        guard var writers = try? [writer(on: shown), writer(on: shown)] else { return }
        for _ in 0..<12 {
            let index = Int.random(in: 0...1, using: &random)
            do { try act(writers[index], shown) } catch let error as LedgerError {
                if isTold { print("failed:", error, "calls", disk.calls) }
                // The command ends here; the next one is another process.
                guard error.errno != 0 || error.code == .conflict else {
                    return tally.fail(.lost, "\(error.message), seed \(seed)")
                }
                guard let again = try? [writer(on: shown), writer(on: shown)] else { return }
                writers = again
            }
        }
    }

    private func writer(on disk: any Disk) throws -> LedgerWriter {
        try TestLedger(on: disk).writer()
    }

    private func act(_ writer: LedgerWriter, _ shown: any Disk) throws {
        let test = try TestLedger(on: shown)
        let deed = Int.random(in: 0...11, using: &random)
        if isTold { print("deed", deed, "kept", kept, "calls", disk.calls) }
        switch deed {
        case 0, 1: try writer.close()
        case 2: _ = try writer.seal(all: true)
        case 3 where !kept.isEmpty:
            let seq = try Seq.random(in: 1...max(1, writer.refresh().seq), using: &random)
            let from = try writer.discard(from: seq, dryRun: true).from
            sure = numbers(try read(test.ledger(), through: from - 1).lines).count
            _ = try writer.discard(from: seq, dryRun: false)
            kept = numbers(try read(test.ledger()).lines)
            (sure, begun) = (nil, [])
        default:
            let events = (0..<Int.random(in: 1...3, using: &random)).map { _ -> NewEvent in
                number += 1
                let size = [10, 400, 1500, 6000][Int.random(in: 0...3, using: &random)]
                return event(number, size: size)
            }
            let new = Array(number - events.count + 1...number)
            begun.append(new)
            if plan.broken == .headFirst { try headFirst(events, writer, shown) }
            if plan.broken == .acknowledgeEarly { kept += new }
            try writer.append(events)
            kept = numbers(try read(test.ledger()).lines)
            (sure, begun) = (nil, [])
        }
    }

    /// The broken writer that lets HEAD speak of a commit that is still to come.
    private func headFirst(_ events: [NewEvent], _ writer: LedgerWriter, _ shown: any Disk) throws {
        let end = try writer.refresh()
        var (seq, chain) = (end.seq, end.chain)
        for event in events {
            seq += 1
            let line = event.line(seq: seq, at: TestLedger.now, run: TestLedger.run)
            chain = SHA256.digest(chain.bytes + line)
        }
        try shown.replace("/ledger/HEAD", with: head(Checkpoint(seq: seq, chain: chain)))
    }

    /// Recovers what a crash left and judges it.
    private func look(at left: MemoryDisk) {
        crashes += 1
        guard left["/ledger/FORMAT"] != nil else {
            if !kept.isEmpty { tally.fail(.lost, "FORMAT is gone, seed \(seed)") }
            return
        }
        do {
            // Now and then the power goes again while recovery is at work.
            var again = left
            if crashes % 16 == 0 {
                let dying = CrashDisk(seed: seed &+ UInt64(crashes), files: left.files) { _ in }
                var calls = 0
                let stopping = FaultDisk(dying) { call in
                    if case .read = call { return nil }
                    calls += 1
                    return calls > self.crashes / 16 % 12 ? .fails(EIO) : nil
                }
                _ = try? TestLedger(on: stopping).writer().refresh()
                again = dying.crash()
            }
            let test = try TestLedger(on: again)
            let writer = try test.writer()
            _ = try writer.refresh()
            torn += writer.notices.isEmpty ? 0 : 1
            let lines = try read(test.ledger()).lines
            judge(numbers(lines))
            let files = again.files
            _ = try test.writer().refresh()
            if again.files != files {
                tally.fail(.wrong, "recovering twice is not recovering once, seed \(seed)")
            }
            guard crashes % 8 == 0 else { return }
            try test.writer().append([event(0)])
            if try test.ledger().verify().end.seq != Seq(lines.count + 1) {
                tally.fail(.wrong, "no append behind a recovery, seed \(seed)")
            }
        } catch let error as LedgerError {
            // Safe, but a person has to decide: the tail proves neither that it is torn nor that it is not.
            // Where a disk refused a sync and then the note of it too, the next writer cannot know.
            let isNoteLost = disk.faults > 1 && error.code == .damaged
            guard error.message.contains("(R6)") || isNoteLost else {
                return tally.fail(
                    .lost, "refused: \(error.message), crash \(crashes) of seed \(seed)")
            }
            if isNoteLost { noteless += 1 } else { asked += 1 }
            // What the person is told to do must keep all that was acknowledged.
            do {
                let digits = error.remedy.components(separatedBy: "--discard-from ").dropFirst()
                let from = digits.first.flatMap { Seq($0.prefix { $0.isNumber }) } ?? -1
                let test = try TestLedger(on: left)
                _ = try test.writer().discard(from: from, dryRun: false)
                judge(numbers(try read(test.ledger()).lines))
            } catch { tally.fail(.lost, "the remedy fails: \(error), seed \(seed)") }
        } catch { tally.fail(.wrong, "\(error), seed \(seed)") }
    }

    private func judge(_ found: [Int]) {
        let certain = kept.prefix(sure ?? kept.count)
        guard found.starts(with: certain) else {
            if isTold { print("found", found, "calls", disk.calls, "crash", crashes) }
            return tally.fail(
                .lost, "found \(found.count) of \(certain.count) acknowledged, seed \(seed)")
        }
        // What stands behind is what a repair did not get to, and commits that were begun, each whole.
        var expected = found.dropFirst(certain.count)
        let left = zip(kept.dropFirst(certain.count), expected).prefix { $0 == $1 }.count
        expected = expected.dropFirst(left)
        for commit in begun where expected.first == commit[0] {
            guard expected.starts(with: commit) else { break }
            expected = expected.dropFirst(commit.count)
        }
        if !expected.isEmpty {
            tally.fail(.accepted, "events that nobody attempted: \(expected), seed \(seed)")
        }
    }

    /// The numbers of the events among what the ledger says of itself.
    private func numbers(_ lines: [String]) -> [Int] {
        lines.compactMap { line in
            guard let start = line.range(of: "\"data\":{\"n\":")?.upperBound else { return nil }
            return Int(line[start...].prefix { $0 != "," })
        }
    }
}
