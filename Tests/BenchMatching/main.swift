import ArgumentParser
import Foundation
import Glibc
import MatchingCases
import Music

/// Measures the matcher on the labelled set; `tools/bench-matching` runs it beside its baselines.
struct BenchMatching: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "narada-bench-matching", subcommands: [Cases.self, Report.self, Blocking.self])
}

struct SetOptions: ParsableArguments {
    @Option(help: "The seed of the set.") var seed: UInt64 = 1
    @Option(help: "Cases of each kind.") var perKind = 250
    @Flag(help: "The training half instead of the test half.") var train = false

    var cases: [MatchingCase] { MatchingCase.set(seed: seed, perKind: perKind, isTest: !train) }
}

/// Writes the set as JSON lines for those who judge in other languages.
struct Cases: ParsableCommand {
    @OptionGroup var set: SetOptions

    func run() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        for matchingCase in set.cases {
            let all = ([matchingCase.subject] + matchingCase.candidates).map {
                [$0.title, $0.artists.joined(separator: ", ")]
            }
            print(String(decoding: try encoder.encode(all), as: UTF8.self))
        }
    }
}

struct Report: ParsableCommand {
    @OptionGroup var set: SetOptions
    @Option(
        help: "What rapidfuzz made of the cases: a number a line, -1 for none, -2 for ambiguous.")
    var peer: String?
    @Flag var json = false
    @Flag(help: "List every case that has a right candidate and is not accepted.") var missed =
        false
    @Flag(help: "Print how much the evidence tells right from wrong.") var fit = false

    func run() throws {
        let cases = set.cases
        let peers = try peer.map {
            try String(contentsOfFile: $0, encoding: .utf8).split(separator: "\n").compactMap {
                Int($0)
            }
        }
        var titles: [String: Swift.Set<String>] = [:]
        for facts in cases.flatMap(\.candidates) {
            titles[facts.title.lowercased(), default: []].insert(
                facts.artists.first?.lowercased() ?? "")
        }
        var table: [CaseKind: [Score]] = [:]
        var wrong: [String] = []
        var unseen: [String] = []
        var fitting = Fitting()
        let ways = peers == nil ? 2 : 3
        for (index, matchingCase) in cases.enumerated() {
            let commonness = titles[matchingCase.subject.title.lowercased()]?.count ?? 0
            let (outcome, judgements) = matchingCase.judged(commonness: commonness)
            var outcomes = [outcome, matchingCase.judgedByEquality]
            if let peers {
                outcomes.append(
                    peers[index] >= 0
                        ? .accept(peers[index]) : peers[index] == -1 ? .none : .ambiguous)
            }
            for way in 0..<ways {
                table[matchingCase.kind, default: Array(repeating: Score(), count: ways)][way]
                    .add(outcomes[way], matchingCase)
            }
            if case .accept(let chosen) = outcome, chosen != matchingCase.right {
                wrong.append(described(matchingCase, chosen, judgements))
            } else if outcome == .ambiguous || outcome == .none, matchingCase.right != nil {
                unseen.append("\(outcome) " + described(matchingCase, nil, judgements))
            }
            fitting.add(matchingCase, judgements)
        }
        if json { return try printJSON(table) }
        printTable(table)
        print("\nWrong accepts: \(wrong.count)")
        for line in wrong { print(line) }
        if missed {
            print("\nMissed: \(unseen.count)")
            for line in unseen { print(line) }
        }
        if fit { fitting.print() }
    }

    private func described(_ matchingCase: MatchingCase, _ chosen: Int?, _ judgements: [Judgement])
        -> String
    {
        func line(_ facts: TrackFacts, _ judgement: Judgement?, _ mark: String) -> String {
            let words = [
                facts.title, facts.artists.joined(separator: " | "), facts.album ?? "-",
                facts.durationMS.map { "\($0)" } ?? "-", facts.isrc ?? "-",
                facts.trackNumber.map { "\($0)" } ?? "-",
            ].joined(separator: " / ")
            guard let judgement else { return "  \(mark) \(words)" }
            let why =
                Judgement.Part.allCases.compactMap { part in judgement[part].map { "\(part) \($0)" }
                }
                + judgement.vetoes.map { "VETO \($0.rawValue)" }
            return "  \(mark) \(words)\n      \(judgement.verdict) \(judgement.method.rawValue) "
                + "\(judgement.confidence) [\(judgement.score)] \(why.joined(separator: ", "))"
        }
        var lines = ["[\(matchingCase.kind.rawValue)]", line(matchingCase.subject, nil, "?")]
        for index in matchingCase.candidates.indices
        where index == chosen || index == matchingCase.right
            || chosen == nil && judgements[index].verdict != .reject
        {
            let mark = (index == chosen ? "!" : " ") + (index == matchingCase.right ? "=" : " ")
            lines.append(line(matchingCase.candidates[index], judgements[index], mark))
        }
        return lines.joined(separator: "\n")
    }

    private func total(_ table: [CaseKind: [Score]], _ way: Int) -> Score {
        table.values.reduce(into: Score()) {
            $0.cases += $1[way].cases
            $0.answerable += $1[way].answerable
            $0.right += $1[way].right
            $0.wrong += $1[way].wrong
            $0.ambiguous += $1[way].ambiguous
        }
    }

    private func printTable(_ table: [CaseKind: [Score]]) {
        let names = ["Narada", "equality", "rapidfuzz"]
        let ways = table.values.first?.count ?? 0
        print("precision / recall in %, a = ambiguous in %, w = wrong accepts")
        print(
            padded("kind", 26) + padded("cases", 7)
                + names.prefix(ways).map { padded($0, 30) }.joined())
        for kind in CaseKind.allCases {
            guard let scores = table[kind] else { continue }
            print(
                padded(kind.rawValue, 26) + padded("\(scores[0].cases)", 7)
                    + scores.map(cell).joined())
        }
        let totals = (0..<ways).map { total(table, $0) }
        print(padded("all", 26) + padded("\(totals[0].cases)", 7) + totals.map(cell).joined())
    }

    private func cell(_ score: Score) -> String {
        func percent(_ value: Double?) -> String { value.map { String(format: "%.2f", $0) } ?? "-" }
        let share = 100 * Double(score.ambiguous) / Double(max(1, score.cases))
        return padded(
            "\(percent(score.precision)) / \(percent(score.recall)) a \(String(format: "%.1f", share)) w \(score.wrong)",
            30)
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private func printJSON(_ table: [CaseKind: [Score]]) throws {
        let names = ["narada", "equality", "rapidfuzz"]
        var object: [String: [String: Score]] = [:]
        for (kind, scores) in table {
            object[kind.rawValue] = Dictionary(uniqueKeysWithValues: zip(names, scores))
        }
        object["all"] = Dictionary(
            uniqueKeysWithValues: (0..<(table.values.first?.count ?? 0)).map {
                (names[$0], total(table, $0))
            })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(object), as: UTF8.self))
    }
}

/// Counts how often each worth of a part stands beside right candidates and beside wrong ones.
struct Fitting {
    private struct Worth: Hashable {
        let part: Judgement.Part
        let value: Int
    }
    private var counts: [Worth: (right: Int, wrong: Int)] = [:]
    private var totals: [Judgement.Part: (right: Int, wrong: Int)] = [:]

    mutating func add(_ matchingCase: MatchingCase, _ judgements: [Judgement]) {
        for (index, judgement) in judgements.enumerated() where judgement.score != 0 {
            let isRight = index == matchingCase.right
            for part in Judgement.Part.allCases {
                guard let value = judgement[part] else { continue }
                let worth = Worth(part: part, value: value)
                counts[worth, default: (0, 0)].right += isRight ? 1 : 0
                counts[worth, default: (0, 0)].wrong += isRight ? 0 : 1
                totals[part, default: (0, 0)].right += isRight ? 1 : 0
                totals[part, default: (0, 0)].wrong += isRight ? 0 : 1
            }
        }
    }

    func print() {
        Swift.print(
            "\nEvidence among pairs without a veto: worth, right, wrong, ten times log2 of their shares' ratio"
        )
        for (evidence, count) in counts.sorted(by: {
            ($0.key.part.rawValue, $0.key.value) < ($1.key.part.rawValue, $1.key.value)
        }) {
            guard let total = totals[evidence.part] else { continue }
            let ratio =
                (Double(count.right) + 0.5) / (Double(total.right) + 1)
                / ((Double(count.wrong) + 0.5) / (Double(total.wrong) + 1))
            Swift.print(
                "\(evidence.part) \(evidence.value): \(count.right) \(count.wrong) \(Int((10 * log2(ratio)).rounded()))"
            )
        }
    }
}

/// Finds the match of each of many tracks among as many.
struct Blocking: ParsableCommand {
    @Option var tracks = 100_000
    @Option var seed: UInt64 = 1
    @Option(help: "The file of pairs for the comparison with rapidfuzz, as `cases` writes them.")
    var rounds = 20

    func run() throws {
        let (subjects, pool) = MatchingCase.library(seed: seed, count: tracks)
        let clock = ContinuousClock()
        let start = Glibc.clock()
        var index: CandidateIndex?
        let laying = clock.measure { index = CandidateIndex(pool.map { TrackReading($0) }) }
        guard let index else { return }
        var right = 0, wrong = 0, compared = 0
        let choosing = clock.measure {
            for (place, facts) in subjects.enumerated() {
                let subject = TrackReading(facts)
                let found = index.candidates(for: subject)
                compared += found.count
                let commonness = index.commonness(of: subject)
                let choice = Matcher.choose(
                    subject, found.map { index.candidates[$0] }, commonness: commonness)
                guard case .accept(let at) = choice else { continue }
                if found[at] == place { right += 1 } else { wrong += 1 }
            }
        }
        let used = Double(Glibc.clock() - start) / Double(CLOCKS_PER_SEC)
        print(
            "blocking: \(tracks) against \(tracks): \(used) s of one core, \(laying + choosing) by the clock, \(compared) pairs compared, \(right) right, \(wrong) wrong"
        )

        let cases = MatchingCase.set(seed: seed, perKind: 100, isTest: true)
        let pairs = cases.flatMap { one in one.candidates.map { (one.subject, $0) } }
        var readings: [(TrackReading, TrackReading)] = []
        let reading = clock.measure {
            readings = pairs.map { (TrackReading($0), TrackReading($1)) }
        }
        var sum = 0
        let judging = clock.measure {
            for _ in 0..<rounds {
                for (one, other) in readings { sum &+= Matcher.judge(one, other).confidence }
            }
        }
        func nanoseconds(_ time: Duration, _ count: Int) -> Int {
            Int(time / .nanoseconds(1)) / count
        }
        print("narada, one track read: \(nanoseconds(reading, pairs.count * 2)) ns")
        print(
            "narada, one pair judged: \(nanoseconds(judging, pairs.count * rounds)) ns (\(pairs.count) pairs, sum \(sum))"
        )
    }
}

BenchMatching.main()
