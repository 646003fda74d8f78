import Events
import Foundation
import GRDB
import GRDBSQLite
import JSONText
import Ledger
import Music
import Projections
import TestSupport
import Testing

/// Random facts about few entities, stream by stream, so that much of it meets.
private struct Facts {
    var random: SplitMix64
    /// The events of each stream, in order.
    private(set) var streams: [String: [NewEvent]] = [:]

    static let entities =
        (1...3).map { "mb:recording:0000000\($0)" } + (1...4).map { "spotify:track:s\($0)" }
        + (1...3).map { "lastfm:track:a/l\($0)" } + ["text:track:a/t"]

    init(seed: UInt64, decisions: ClosedRange<Int> = 2...14) {
        random = SplitMix64(seed: seed)
        for (place, uri) in Self.entities.enumerated() where chance(5) != 0 { name(uri, place) }
        for _ in 0..<Int.random(in: decisions, using: &random) { add(decision()) }
    }

    mutating func chance(_ of: Int) -> Int { Int.random(in: 0..<of, using: &random) }

    mutating func add(_ event: NewEvent) {
        streams[event.stream.description, default: []].append(event)
    }

    /// What makes an entity known.
    private mutating func name(_ uri: String, _ place: Int) {
        if uri.hasPrefix("spotify:") {
            let payload: JSON = [
                "name": .text("Song \(place)"), "artists": [["name": "A"]],
                "duration_ms": JSON(200_000 + place), "external_ids": ["isrc": .text("QZ\(place)")],
            ]
            for _ in 0...chance(2) {
                add(
                    NewEvent(
                        .spotifyTrackObserved, on: StreamName(uri)!,
                        ["digest": "0f343b0931126a20f133d67c2b018a3b", "payload": payload]))
            }
        } else if uri.hasPrefix("lastfm:") {
            let payload: JSON = [
                "track": [
                    "name": .text(String(uri.suffix(2))), "artist": ["name": "a"],
                    "playcount": JSON(chance(90)), "userplaycount": JSON(chance(9)),
                ]
            ]
            add(
                NewEvent(
                    .lastfmTrackObserved, on: StreamName(uri)!, ["user": "rj", "payload": payload]))
        } else if uri.hasPrefix("mb:") {
            // Streams of one rank that tell it differently, and not all of it.
            for stream in ["isrc:QZAB1200000\(place)", "mb:search:a/b", "isrc:QZAB12000009"] {
                var row: [(String, JSON)] = [
                    ("id", .text(String(uri.dropFirst(13)))), ("title", .text("Song \(chance(3))")),
                    ("isrcs", .array((0..<chance(3)).map { .text("QZAB1200000\($0)") })),
                ]
                if chance(2) == 0 { row.append(("length", JSON(200_000 + chance(9)))) }
                if chance(3) == 0 { row.append(("disambiguation", .text("take \(chance(3))"))) }
                let kind: EventKind =
                    stream.hasPrefix("isrc:")
                    ? .musicbrainzISRCObserved : .musicbrainzSearchObserved
                let payload: JSON = ["recordings": [.object(row)]]
                let more: [(String, JSON)] =
                    kind == .musicbrainzISRCObserved ? [("by", "search")] : [("query", "a b")]
                for _ in 0..<chance(3) {
                    add(
                        NewEvent(
                            kind, on: StreamName(stream)!,
                            .object(more + [("payload", payload)])))
                }
            }
        }
        // Playlists of its own, for rows that must follow their track; they call it otherwise.
        for number in [10 + place, 40 + place] {
            let list = StreamName("narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0Y\(number)")!
            let told: [(String, JSON)] = [
                ("title", .text("Listed \(chance(3))")), ("album", .text("Album \(chance(3))")),
                ("duration_ms", JSON(100_000 + chance(3))),
            ]
            let item = JSON.object([("uri", .text(uri))] + told.prefix(chance(4)))
            add(
                NewEvent(
                    .playlistCreated, on: list,
                    ["name": .text("List \(number)"), "items": [item]]))
        }
    }

    mutating func decision(_ kind: EventKind? = nil, on pair: [String]? = nil) -> NewEvent {
        var two = pair ?? []
        while two.count < 2 {
            let uri = Self.entities.randomElement(using: &random)!
            if !two.contains(uri) { two.append(uri) }
        }
        two.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let kinds: [EventKind] = [
            .matchAsserted, .matchAsserted, .matchAsserted, .matchConfirmed, .matchRejected,
            .matchRetracted,
        ]
        let kind = kind ?? kinds.randomElement(using: &random)!
        let uris = ("uris", JSON.array(two.map { .text($0) }))
        let more: [(String, JSON)] =
            switch kind {
            case .matchAsserted:
                [
                    ("method", "isrc"), ("confidence", JSON([40, 60, 70, 75, 80, 92][chance(6)])),
                    ("matcher", 1),
                ]
            case .matchRetracted: [("of", chance(2) == 0 ? "person" : "matcher")]
            default: []
            }
        return NewEvent(
            kind, on: StreamName("match:" + two.joined(separator: "|"))!, .object([uris] + more))
    }

    /// All of it in an order that keeps each stream's.
    mutating func interleaved() -> [NewEvent] {
        var rest = streams.sorted { $0.key < $1.key }.map { $0.value[...] }
        var events: [NewEvent] = []
        while !rest.isEmpty {
            let place = chance(rest.count)
            events.append(rest[place].removeFirst())
            if rest[place].isEmpty { rest.remove(at: place) }
        }
        return events
    }
}

/// Tables in memory, into which events are folded and which are empty again afterwards.
private final class Workbench {
    private let queue: DatabaseQueue

    init() throws {
        queue = try DatabaseQueue()
        try queue.inDatabase { try $0.execute(sql: Schema.tables + Schema.indexes) }
    }

    /// Folds events into empty tables and reads what came of them.
    ///
    /// - Parameter batches: How many events go in at once; nil for all, as a rebuild does it.
    func fold<R>(
        _ events: [NewEvent], batches: (() -> Int)? = nil, _ read: (Database) throws -> R
    ) throws -> R {
        try queue.inDatabase { db in
            var result: R?
            try db.inTransaction {
                var seq: Seq = 0
                while seq < events.count {
                    let count = min(events.count - Int(seq), batches?() ?? events.count)
                    let fold = try Fold(db.sqliteConnection!, fresh: batches == nil)
                    let titleKeys = TitleKeys()
                    for _ in 0..<count {
                        seq += 1
                        try events[Int(seq) - 1].line(seq: seq, at: 1_800_000_000_000, run: "")
                            .withUnsafeBufferPointer {
                                try fold.apply(ReadableEvent(EventLine($0)!, titleKeys))
                            }
                    }
                    try fold.finish(all: batches == nil)
                }
                result = try read(db)
                return .rollback
            }
            return result!
        }
    }

    func told(_ events: [NewEvent], batches: (() -> Int)? = nil) throws -> [String] {
        try fold(events, batches: batches, Self.told)
    }

    /// Every table's rows, URIs in place of numbers.
    private static func told(_ db: Database) throws -> [String] {
        let group = """
            (SELECT group_concat(uri, ' ') FROM (SELECT uri FROM nodes x WHERE x.track_id = %
             ORDER BY uri))
            """
        func grouped(_ id: String) -> String { group.replacing("%", with: id) }
        let queries = [
            "SELECT uri, rank, digest, \(grouped("n.track_id")) FROM nodes n",
            """
            SELECT \(grouped("t.id")), title, artists, album, duration_ms, release_date, isrc, spotify_id,
                lastfm_url, created_at, updated_at FROM tracks t WHERE is_deleted = 0
            """,
            "SELECT count(*) FROM tracks WHERE is_deleted = 1",
            """
            SELECT \(grouped("p.track_id")), user_id, play_count, user_play_count, last_updated
            FROM play_counts p
            """,
            """
            SELECT connector_name, connector_id, \(grouped("m.track_id")), match_method, confidence,
                last_verified, is_deleted FROM track_mappings m
            """,
            """
            SELECT p.name, n.uri, \(grouped("r.track_id")) FROM playlist_tracks r
            JOIN playlists p ON p.id = r.playlist_id JOIN nodes n ON n.id = r.node_id
            """,
            "SELECT a_uri, b_uri, word, method, confidence, matcher FROM matches",
            """
            SELECT uri, isrcs, disambiguation, merged_into FROM recordings r
            JOIN nodes n ON n.id = r.node_id
            """,
            "SELECT stream, found FROM musicbrainz_asked",
            "SELECT uri, title, artists, duration_ms, isrc FROM members JOIN nodes ON id = node_id",
        ]
        return try queries.flatMap { query in
            try Row.fetchAll(db, sql: query).map { row in
                row.databaseValues.map(\.description).joined(separator: "|")
            }.sorted()
        }
    }

    /// Everything, numbers and all.
    static func dump(_ db: Database) throws -> [String] {
        try ReadModel.allCases.flatMap(\.tables).flatMap { table in
            try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { row in
                table + row.databaseValues.map(\.description).joined(separator: "|")
            }.sorted()
        }
    }
}

@Suite("Which entities are one track")
struct IdentityTests {
    /// `tools/torture --full` takes 2,000.
    static let seeds =
        1...(ProcessInfo.processInfo.environment["NARADA_SEEDS"].flatMap { UInt64($0) } ?? 300)

    /// The rule of `design.md` §6 as it is written there, for few entities.
    private func reference(_ uris: [String], _ decisions: [Identity.Decision]) -> Set<Set<String>> {
        var group = Dictionary(uniqueKeysWithValues: uris.map { ($0, Set([$0])) })
        let known = decisions.filter { $0.pair.allSatisfy { group[$0] != nil } }
        let rejected = known.filter { $0.verdict == .rejected }.map { Set($0.pair) }
        func unite(_ pair: [String]) -> Bool {
            let union = group[pair[0]]!.union(group[pair[1]]!)
            if rejected.contains(where: { $0.isSubset(of: union) }) { return false }
            for uri in union { group[uri] = union }
            return true
        }
        func confidence(_ decision: Identity.Decision) -> Int {
            if case .asserted(let confidence) = decision.verdict { return confidence }
            return decision.verdict == .confirmed ? 1000 : 0
        }
        let sorted = known.sorted {
            confidence($0) != confidence($1)
                ? confidence($0) > confidence($1)
                : $0.pair.joined(separator: "|") < $1.pair.joined(separator: "|")
        }
        for decision in sorted where confidence(decision) >= 80 { _ = unite(decision.pair) }
        let after = group
        func strength(_ uri: String) -> Int {
            uri.hasPrefix("mb:") ? 3 : uri.hasPrefix("spotify:") ? 2 : 1
        }
        let alone = uris.filter { after[$0]!.count == 1 }.sorted {
            strength($0) != strength($1) ? strength($0) > strength($1) : $0 < $1
        }
        for uri in alone {
            for decision in sorted where (60..<80).contains(confidence(decision)) {
                guard decision.pair.contains(uri) else { continue }
                let other = decision.pair.first { $0 != uri }!
                guard after[other]!.count > 1 || strength(other) > strength(uri) else { continue }
                if unite(decision.pair) { break }
            }
        }
        return Set(group.values)
    }

    private func inForce(_ db: Database) throws -> [Identity.Decision] {
        try Row.fetchAll(db, sql: "SELECT a_uri, b_uri, word, confidence FROM matches").map { row in
            let verdict: Identity.Verdict =
                switch row["word"] as String? {
                case "confirmed": .confirmed
                case "rejected": .rejected
                default: .asserted(row["confidence"])
                }
            return Identity.Decision([row["a_uri"], row["b_uri"]], verdict)
        }
    }

    @Test(
        "The tables show the rule's partition, a service's name once, and catching up gives the same"
    )
    func partition() throws {
        let bench = try Workbench()
        var sizes: Set<Int> = []
        for seed in Self.seeds {
            var facts = Facts(seed: seed)
            let events = facts.interleaved()
            let (uris, decisions, shown, twice, adrift, dump) = try bench.fold(events) { db in
                (
                    try String.fetchAll(db, sql: "SELECT uri FROM nodes"), try inForce(db),
                    try Row.fetchAll(db, sql: "SELECT uri, track_id FROM nodes"),
                    try Int.fetchOne(
                        db,
                        sql: """
                            SELECT count(*) FROM (SELECT 1 FROM track_mappings
                            GROUP BY connector_name, connector_id HAVING count(*) > 1)
                            """),
                    try Int.fetchOne(
                        db,
                        sql: """
                            SELECT count(*) FROM track_mappings m JOIN tracks t ON t.id = m.track_id
                            WHERE t.is_deleted
                            """), try Workbench.dump(db)
                )
            }
            let expected = reference(uris, decisions)
            let groups = Dictionary(grouping: shown) { $0["track_id"] as Int64 }.values
            #expect(
                Set(groups.map { Set($0.map { $0["uri"] as String }) }) == expected, "seed \(seed)")
            sizes.formUnion(expected.map(\.count))
            #expect(twice == 0 && adrift == 0, "seed \(seed)")
            var random = SplitMix64(seed: seed)
            let followed = try bench.fold(
                events, batches: { Int.random(in: 1...5, using: &random) }, Workbench.dump)
            #expect(followed == dump, "seed \(seed)")
        }
        #expect(sizes.isSuperset(of: [1, 2, 3, 4]))
    }

    @Test(
        "It does not matter what came first in other streams, nor what was asserted and retracted, nor what a matcher says after a person"
    )
    func order() throws {
        let bench = try Workbench()
        for seed in Self.seeds {
            var facts = Facts(seed: seed)
            var events = facts.interleaved()
            let told = try bench.told(events)
            #expect(try bench.told(facts.interleaved()) == told, "seed \(seed)")

            // A pair that nothing else is decided on, asserted and taken back at any two places.
            let claims = (0..<50).map { _ in facts.decision(.matchAsserted) }
            let claim = claims.first { facts.streams[$0.stream.description] == nil }
            if let claim {
                let pair = Self.pair(claim)
                var withClaim = events
                let first = facts.chance(events.count + 1)
                withClaim.insert(claim, at: first)
                withClaim.insert(
                    Self.retracted(pair), at: first + 1 + facts.chance(withClaim.count - first))
                var random = SplitMix64(seed: seed)
                let followed = try bench.told(withClaim) { Int.random(in: 1...9, using: &random) }
                #expect(followed == told, "seed \(seed)")
            }

            let word = facts.decision(seed % 2 == 0 ? .matchConfirmed : .matchRejected)
            let pair = Self.pair(word)
            func others(_ rows: [String]) -> [String] {
                rows.filter { !$0.hasPrefix("\"\(pair[0])\"|\"\(pair[1])\"|") }
            }
            events.append(word)
            let before = others(try bench.told(events))
            for _ in 0..<2 {
                events.append(
                    facts.chance(3) == 0
                        ? Self.retracted(pair) : facts.decision(.matchAsserted, on: pair))
            }
            #expect(try others(bench.told(events)) == before, "seed \(seed)")
        }
    }

    private static func pair(_ event: NewEvent) -> [String] {
        event.stream.description.dropFirst("match:".count).split(separator: "|").map(String.init)
    }

    private static func retracted(_ pair: [String]) -> NewEvent {
        NewEvent(
            .matchRetracted, on: StreamName("match:" + pair.joined(separator: "|"))!,
            ["uris": .array(pair.map { .text($0) }), "of": "matcher"])
    }
}
