import Ledger
import TestSupport

private let path = "/ledger/000000000001.lz4"

/// What the format's table says about a cut.
private enum Expectation: Equatable {
    case refused(LedgerError.Code)
    case whole(Seq)
    case torn(Seq, at: Int)

    /// Told from the commits' places alone: what the ledger is worth when it ends at `cut` and somebody
    /// remembers `known` events.
    init(_ cut: Int, _ places: [Place], known: Seq) {
        let kept = places.last { $0.end <= cut }
        let (end, seq) = (kept?.end ?? firstCommit, kept?.last ?? 0)
        self =
            cut < firstCommit
            ? .refused(.damaged)
            : known > seq
                ? .refused(.dataLost)  // R0 and R2
                : cut == end ? .whole(seq) : .torn(seq, at: end)  // R3
    }
}

/// The active segment cut at every byte, whatever HEAD and the read model remember: the longest whole prefix,
/// or a refusal.
///
/// A case is one ledger of so many commits of random sizes.
@Sendable func truncation(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    for seed in plan.seeds {
        var random = SplitMix64(seed: seed)
        let source = MemoryDisk()
        let commits = (0..<Int.random(in: 2...5, using: &random)).map { _ in
            Int.random(in: 1...3, using: &random)
        }
        let test = try TestLedger(on: source)
            .append(commits, size: [0, 20, 300][Int.random(in: 0...2, using: &random)])
        let lines = try read(test.ledger()).lines
        let chains = chains(of: lines)
        let bytes = source[path] ?? []
        let places = Place.all(in: bytes)
        let remembered: [Seq?] = [nil] + places.map(\.last)
        for cut in 0...bytes.count {
            for head in remembered {
                for checkpoint in remembered {
                    var files = source.files
                    files[path] = Array(bytes.prefix(cut))
                    if let head { files["/ledger/HEAD"] = TestSupport.head(chains[Int(head)]) }
                    let witnesses = (checkpoint.map { [witness(chains[Int($0)])] }) ?? []
                    let expected = Expectation(
                        cut, places, known: max(head ?? 0, checkpoint ?? 0))
                    tally.cases += 1
                    tally.faults += cut < bytes.count ? 1 : 0
                    let fault =
                        try reading(files, expected, lines, witnesses, plan)
                        ?? writing(files, expected, lines, witnesses, plan)
                    guard let fault else { continue }
                    tally.fail(
                        fault.kind,
                        "\(fault.text) (seed \(seed), cut at \(cut), HEAD \(head ?? 0), "
                            + "checkpoint \(checkpoint ?? 0))")
                }
            }
        }
    }
    return tally
}

private typealias Fault = (kind: Tally.Kind, text: String)

private func reading(
    _ files: [String: [UInt8]], _ expected: Expectation, _ lines: [String], _ witnesses: [Witness],
    _ plan: Plan
) throws -> Fault? {
    let ledger = try Ledger("/ledger", disk: plan.disk(MemoryDisk(files)))
    var found: Reading?
    let code = ledgerFailure { found = try read(ledger, witnesses: witnesses) }
    switch expected {
    case .refused(let refusal):
        return code == refusal ? nil : (.accepted, "read in spite of a loss")
    case .whole(let seq), .torn(let seq, _):
        guard let found else { return (.lost, "a reader refuses: \(code?.rawValue ?? "")") }
        if found.lines != Array(lines.prefix(Int(seq))) { return (.lost, "read another prefix") }
        let isTold = found.notice?.contains("R3") == true
        return isTold == (expected != .whole(seq)) ? nil : (.wrong, "the notice is not right")
    }
}

private func writing(
    _ files: [String: [UInt8]], _ expected: Expectation, _ lines: [String], _ witnesses: [Witness],
    _ plan: Plan
) throws -> Fault? {
    let memory = MemoryDisk(files)
    let test = try TestLedger(on: plan.disk(memory))
    let writer = try test.writer(witnesses: witnesses)
    let code = ledgerFailure { _ = try writer.refresh() }
    switch expected {
    case .refused(let refusal):
        guard code == refusal else { return (.accepted, "written behind a loss") }
        return memory[path] == files[path] ? nil : (.wrong, "a refusal changed bytes")
    case .whole:
        guard code == nil else { return (.lost, "a writer refuses: \(code?.rawValue ?? "")") }
        return memory[path] == files[path] && writer.notices.isEmpty
            ? nil : (.wrong, "a whole log was changed")
    case .torn(let seq, let end):
        guard code == nil else { return (.lost, "a writer refuses: \(code?.rawValue ?? "")") }
        let now = memory.files
        let tail = Array((files[path] ?? [])[end...])
        let found = try read(test.ledger()).lines
        guard found.dropLast() == lines.prefix(Int(seq)) else { return (.lost, "another prefix") }
        let note = "\"length\":\(tail.count),\"sha256\":\"\(SHA256.digest(tail))\""
        guard types(found).last == "ledger.tail_discarded", found.last?.contains(note) == true,
            now.filter({ $0.key.contains("quarantine") }).map(\.value) == [tail],
            writer.notices.count == 1
        else { return (.wrong, "the tail is not kept and told") }
        _ = try test.writer(witnesses: witnesses).refresh()
        return memory.files == now ? nil : (.wrong, "recovering twice is not recovering once")
    }
}
