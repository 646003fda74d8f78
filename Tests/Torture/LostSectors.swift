import Ledger
import TestSupport

private let path = "/ledger/000000000001.lz4"

/// The last commit, over twelve sectors and more, after a loss of power: every subset of its sectors zero,
/// every length with zeros behind it, garbage, and a zeroed sector before it.
///
/// A case is one ledger; the first ones leave every subset, a quick one some of them.
@Sendable func lostSectors(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    for seed in plan.seeds { try lostSectors(seed, plan, &tally) }
    return tally
}

private func lostSectors(_ seed: UInt64, _ plan: Plan, _ tally: inout Tally) throws {
    var random = SplitMix64(seed: seed)
    let source = MemoryDisk()
    let test = try TestLedger(on: source).append([1, 2, 1], size: 700)
    try test.append([1], size: 8200 + Int.random(in: 0...600, using: &random))
    let lines = try read(test.ledger()).lines
    let bytes = source[path] ?? []
    guard let last = Place.all(in: bytes).last else { return }
    let sectors = Array(last.offset / 512...(bytes.count - 1) / 512)
    precondition(sectors.count >= 12, "a commit over twelve sectors")
    let head = TestSupport.head(chains(of: lines)[lines.count])

    func judge(
        _ altered: [UInt8], _ expected: Verdict, known: Bool, _ what: @autoclosure () -> String
    ) {
        var files = source.files
        files[path] = altered
        if known { files["/ledger/HEAD"] = head }
        tally.cases += 1
        tally.faults += 1
        let verdict = Verdict(files, lines, sure: lines.count - 1, plan)
        let isFine =
            verdict == expected || altered == bytes && verdict == .whole
            // Fewer than 12 zeros at the end of a commit prove nothing: a person is asked.
            || expected == .torn && verdict == .refused("R6")
        if verdict == .refused("R6"), expected == .torn { tally.count("asked a person") }
        guard !isFine else { return }
        let kind: Tally.Kind
        switch verdict {
        case .whole, .torn: kind = expected.isRefusal ? .accepted : .lost
        case .refused, .other: kind = expected.isRefusal ? .wrong : .lost
        case .lost: kind = .lost
        }
        tally.fail(kind, "\(what()): \(verdict) for \(expected), known \(known), seed \(seed)")
    }
    func zeroed(_ altered: inout [UInt8], _ sector: Int) {
        for index in max(last.offset, sector * 512)..<min(sector * 512 + 512, bytes.count) {
            altered[index] = 0
        }
    }

    let subsets = 1 << sectors.count
    let step = plan.isFull ? 1 : max(1, subsets / 4096)
    for start in stride(from: 0, to: subsets, by: step) {
        let subset = step == 1 ? start : Int.random(in: start..<start + step, using: &random)
        var altered = bytes
        for (bit, sector) in sectors.enumerated() where subset >> bit & 1 == 1 {
            zeroed(&altered, sector)
        }
        judge(altered, .torn, known: false, "zero sectors \(String(subset, radix: 2))")
        guard subset % 16 == 1 else { continue }
        judge(altered, .refused("R"), known: true, "acknowledged, zero \(String(subset, radix: 2))")
    }
    for length in last.offset..<bytes.count {
        let zeros = [UInt8](repeating: 0, count: bytes.count - length)
        judge(Array(bytes[..<length]) + zeros, .torn, known: false, "\(length) bytes and zeros")
        guard length > last.offset else { continue }
        judge(Array(bytes[..<length]), .torn, known: false, "\(length) bytes")
    }
    for sector in sectors.dropLast() {
        var altered = bytes
        for index in max(last.offset, sector * 512)..<sector * 512 + 512 {
            altered[index] = UInt8.random(in: 1...255, using: &random)
        }
        judge(altered, .refused("R6"), known: false, "garbage in sector \(sector)")
        judge(altered, .refused("R2"), known: true, "acknowledged garbage in sector \(sector)")
    }
    for sector in firstCommit / 512 + 1..<last.offset / 512 {
        var altered = bytes
        for index in sector * 512..<sector * 512 + 512 { altered[index] = 0 }
        judge(
            altered, .refused("R1"), known: false,
            "zeros in sector \(sector) before the last commit")
    }
}

/// What a ledger is found to be worth.
private enum Verdict: Equatable {
    case whole, torn, lost
    /// A refusal by a rule of the table; "R" for any.
    case refused(String)
    case other(String)

    var isRefusal: Bool { if case .refused = self { true } else { false } }

    static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.whole, .whole), (.torn, .torn), (.lost, .lost): true
        case (.refused(let one), .refused(let other)):
            one == other || one == "R" || other == "R"
        default: false
        }
    }

    /// Lets a writer open it and reads what is there then.
    ///
    /// - Parameter sure: How many lines were acknowledged in any case.
    init(_ files: [String: [UInt8]], _ lines: [String], sure: Int, _ plan: Plan) {
        do {
            let test = try TestLedger(on: plan.disk(MemoryDisk(files)))
            let writer = try test.writer()
            _ = try writer.refresh()
            let found = try read(test.ledger()).lines
            let kept = found.filter { !$0.contains("ledger.tail_discarded") }
            self =
                kept == lines
                ? .whole
                : kept == Array(lines.prefix(sure)) && found.count == kept.count + 1 ? .torn : .lost
        } catch let error as LedgerError {
            let rule = ["R0", "R1", "R2", "R6"].first { error.message.contains("(\($0))") }
            self = rule.map { .refused($0) } ?? .other(error.message)
        } catch { self = .other("\(error)") }
    }
}
