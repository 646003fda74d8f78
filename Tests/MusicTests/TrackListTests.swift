import Music
import TestSupport
import Testing

@Suite("Lists of tracks in a workflow")
struct TrackListTests {
    /// Small and dense: rows that repeat, that are not available, that lack names or a track.
    private func randomList(_ random: inout SplitMix64) -> TrackList {
        TrackList(
            (0..<Int.random(in: 0...14, using: &random)).map { _ in
                let number = Int64.random(in: 0...5, using: &random)
                guard number > 0 else { return TrackRow(uri: nil, title: "Gone") }
                let isUpper = Bool.random(using: &random)
                return TrackRow(
                    uri: "spotify:track:\(number)",
                    title: number == 5
                        ? nil : isUpper ? "SONG \(number / 2)" : "song \(number / 2)",
                    artists: number == 4 ? [] : ["Ärtist"],
                    addedAtMS: Int64.random(in: 0...3, using: &random))
            })
    }

    /// The track of a row: two URIs are one track, one is not known.
    private func identity(_ row: TrackRow) -> MetricValue? {
        switch row.uri {
        case "spotify:track:1", "spotify:track:2": .text("spotify:track:1")
        case "spotify:track:3", nil: nil
        default: row.uri.map { .text($0) }
        }
    }

    private func randomValues(_ count: Int, _ random: inout SplitMix64) -> [MetricValue?] {
        (0..<count).map { _ in
            let number = Int64.random(in: -1...3, using: &random)
            return number < 0 ? nil : .integer(number)
        }
    }

    private func integer(_ value: MetricValue?) -> Int64? {
        if case .integer(let number)? = value { number } else { nil }
    }

    /// Every row goes out once or is dropped once, with a reason; dropped ones keep their order.
    private func isWhole(_ selection: Selection, of list: TrackList) -> Bool {
        let all = selection.out + selection.dropped.map(\.index)
        return all.sorted() == Array(list.rows.indices)
            && selection.dropped.map(\.index) == selection.dropped.map(\.index).sorted()
            && selection.dropped.allSatisfy { !$0.reason.isEmpty }
    }

    @Test("A sort moves rows, loses none, and leaves ties as they stood")
    func sorting() {
        for seed in 0..<3000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let list = randomList(&random)
            let values = randomValues(list.rows.count, &random)
            let ties = randomValues(list.rows.count, &random)
            let descending = Bool.random(using: &random)
            let missingFirst = Bool.random(using: &random)
            let isTied = Bool.random(using: &random)

            let sorted = list.sorted(
                by: values, descending: descending, missingFirst: missingFirst,
                thenBy: isTied ? ties : nil)

            // The plain model: one number a row for the value, one for the tie, then the place.
            let model = list.rows.indices.map { index -> [Int64] in
                let value = integer(values[index]).map { descending ? -$0 : $0 }
                let tie = isTied ? integer(ties[index]) ?? 1000 : 0
                return [value ?? (missingFirst ? -1000 : 1000), tie, Int64(index)]
            }
            let expected = model.sorted { $0.lexicographicallyPrecedes($1) }.map { Int($0[2]) }
            #expect(sorted.out == expected && sorted.dropped.isEmpty, "seed \(seed)")
            #expect(isWhole(sorted, of: list), "seed \(seed)")
        }
    }

    @Test("Texts are sorted by their lower-cased form, whatever the machine's language")
    func textOrder() {
        let titles: [String?] = [
            "b", "Äpfel", "A", nil, "a", "apfel", "Ä", "É", "E\u{301}", "Z", "ß",
        ]
        let list = TrackList(titles.map { TrackRow(uri: "spotify:track:x", title: $0) })

        let sorted = list.sorted(by: Metric.title.own(list.rows) ?? [], descending: false)

        // Composed and decomposed spellings are one and the same, so they tie.
        let expected = ["A", "a", "apfel", "b", "Z", "ß", "Ä", "Äpfel", "É", "E\u{301}", nil]
        #expect(
            list.applying(sorted).rows.map(\.title).map { $0.map { Array($0.utf8) } }
                == expected.map { $0.map { Array($0.utf8) } })
    }

    @Test("Deduplicating keeps one row of each track, the best, and says which one stays")
    func deduplicating() {
        for seed in 0..<3000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let list = randomList(&random)
            let values = randomValues(list.rows.count, &random)
            let sameness = TrackList.Sameness.allCases.randomElement(using: &random) ?? .uri
            let isRanked = Bool.random(using: &random)
            let descending = Bool.random(using: &random)

            let kept = list.deduplicated(
                by: sameness, identities: list.rows.map(identity),
                ranking: isRanked ? ("best", values) : nil, descending: descending)

            #expect(isWhole(kept, of: list), "seed \(seed)")
            #expect(kept.out == kept.out.sorted(), "seed \(seed)")
            let same = { (left: TrackRow, right: TrackRow) -> Bool in
                guard let one = left.uri, let other = right.uri else { return false }
                switch sameness {
                case .uri: return one == other
                case .identity:
                    return identity(left).map { $0 == identity(right) } ?? (one == other)
                case .titleArtist:
                    return left.title != nil && !left.artists.isEmpty && !right.artists.isEmpty
                        && left.title?.lowercased() == right.title?.lowercased()
                }
            }
            for index in list.rows.indices {
                let group = list.rows.indices.filter {
                    $0 == index || same(list.rows[index], list.rows[$0])
                }
                let worth = { (index: Int) -> Int64 in
                    guard isRanked else { return 0 }
                    return integer(values[index]).map { descending ? $0 : -$0 } ?? -1000
                }
                let most = group.map(worth).max()
                let stays = group.first { worth($0) == most }
                #expect(kept.out.contains(index) == (stays == index), "seed \(seed), row \(index)")
                let reason = kept.dropped.first { $0.index == index }?.reason
                #expect(
                    reason == nil || reason?.contains("position \((stays ?? 0) + 1),") == true,
                    "seed \(seed), row \(index)")
            }
        }
    }

    @Test("A filter lets out what lies between its limits, and missing is never zero")
    func filtering() {
        for seed in 0..<2000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let list = randomList(&random)
            let values = randomValues(list.rows.count, &random)
            let limits = [Int64?.none, 0, 1, 2, 3]
            let min = limits.randomElement(using: &random) ?? nil
            let max = limits.randomElement(using: &random) ?? nil
            let includeMissing = Bool.random(using: &random)

            let kept = list.filtered(
                by: .plays, values, min: min.map { .integer($0) }, max: max.map { .integer($0) },
                includeMissing: includeMissing)

            #expect(isWhole(kept, of: list), "seed \(seed)")
            let expected = list.rows.indices.filter { index in
                guard let value = integer(values[index]) else { return includeMissing }
                return value >= min ?? 0 && value <= max ?? 3
            }
            #expect(kept.out == expected, "seed \(seed)")
        }
    }

    @Test(
        "A limit on a text or a date counts as far as it is long",
        arguments: [
            (value: "2020-05-17", min: nil, max: "2020", passes: true),
            (value: "2020", min: "2020", max: "2020", passes: true),
            (value: "2021-01-01", min: nil, max: "2020", passes: false),
            (value: "2019-12-31", min: "2020", max: nil, passes: false),
            (value: "2020", min: "2020-02", max: nil, passes: false),
            (value: "Bach", min: "b", max: "B", passes: true),
            (value: "Čech", min: "a", max: "z", passes: false),
        ] as [(String, String?, String?, Bool)])
    func textLimits(value: String, min: String?, max: String?, passes: Bool) {
        let list = TrackList([TrackRow(uri: nil)])

        let kept = list.filtered(
            by: .releaseDate, [.text(value)], min: min.map { .text($0) },
            max: max.map { .text($0) }, includeMissing: false)

        #expect(kept.out.isEmpty == !passes)
    }

    @Test("The first rows are as many as there are, up to the count")
    func first() {
        let list = TrackList((1...3).map { TrackRow(uri: "spotify:track:\($0)") })
        for count in 0...5 {
            let kept = list.first(count)
            #expect(kept.out == Array((0..<3).prefix(count)) && isWhole(kept, of: list))
        }
    }

    @Test("Rows that are not available are told apart")
    func available() {
        let list = TrackList([
            TrackRow(uri: nil), TrackRow(uri: "spotify:local:a:b:c:1"), TrackRow(uri: nil),
        ])
        #expect(list.keepingAvailable().out == [1])
        #expect(list.keepingAll().out == [0, 1, 2])
    }

    @Test("Every metric says what it is and where it comes from", arguments: Metric.allCases)
    func metrics(metric: Metric) {
        let row = TrackRow(uri: "spotify:track:x", title: "T", artists: ["A", "B"], addedAtMS: 7)
        #expect(!metric.about.meaning.isEmpty && !metric.about.origin.isEmpty)
        let own: [Metric: MetricValue] = [
            .title: .text("T"), .artist: .text("A, B"), .addedAt: .integer(7),
        ]
        #expect(metric.own([row]) == own[metric].map { [$0] })
        // A row that says nothing has no value, not a zero or an empty text.
        #expect((metric.own([TrackRow(uri: nil)]) ?? [nil]) == [nil])
        #expect((metric.about.origin == "the row") == (own[metric] != nil))
    }
}
