import ArgumentParser
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

struct ResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Find out what the tracks of Spotify are called elsewhere.",
        discussion: """
            Asks MusicBrainz by ISRC, fifty a request, then by artist and title for what that did not settle; those
            played most often first. Then Last.fm by name, if LASTFM_API_KEY is set. Answers are kept, so it can be
            stopped at any time and asks nothing twice. What it does not dare to decide waits in `match review`.

            Examples: narada-cmd resolve --playlist Morning
                      narada-cmd resolve --rescore
            """)
    @OptionGroup var options: WriteOptions
    @Option(help: "Only the rows of this playlist.") var playlist: String?
    @Option(help: "musicbrainz or lastfm; both if not said.") var connector: ResolvedConnector?
    @Option(help: "Ask each service about at most so many tracks; the next run goes on.") var limit:
        Int?
    @Option(help: "What nobody knew is not asked for again before.") var maxAge = "30d"
    @Flag(help: "Judge again what was answered, ask nobody, and print what would change.")
    var rescore = false
    @Flag(help: "With --rescore: append what changes.") var apply = false

    func validate() throws {
        if apply, !rescore { throw ValidationError("--apply goes with --rescore.") }
        if let limit, limit < 1 { throw ValidationError("--limit takes numbers from 1 on.") }
    }

    func run() async throws {
        let session = try Session(writing: options, task: "resolve", creating: false)
        let age = try maxAgeMS(maxAge)
        let rows = try playlist.map { name in
            try session.read { try FoundPlaylist.find(name, $0).rows($0).compactMap(\.uri) }
        }
        func chosen(_ all: Resolution) -> [Resolution.Subject] {
            rows.map { all.subjects($0) } ?? all.subjects
        }
        var (claims, ambiguous): ([Resolution.Claim], Int) = ([], 0)
        var more: [(String, JSON)] = []
        if rescore {
            (claims, ambiguous) = try session.read { db in
                let resolution = try Resolution(db)
                return try resolution.claims(chosen(resolution), connector, db)
            }
            more = try Self.effects(of: claims.map { try $0.event }, session)
            if apply { try session.append(claims: claims) }
        } else {
            // Last.fm last: MusicBrainz gives it another way to ask.
            for connector in ResolvedConnector.allCases
            where [connector, nil].contains(self.connector) {
                try await session.talking {
                    more +=
                        connector == .musicbrainz
                        ? try await askMusicBrainz(session, age, chosen)
                        : try await askLastfm(session, age, chosen)
                }
                let found = try session.resolve(connector, chosen)
                claims += found.changes
                ambiguous += found.ambiguous
            }
        }
        let count = try session.read { chosen(try Resolution($0)).count }
        try answer(session, count, claims, ambiguous, more)
    }

    private func answer(
        _ session: Session, _ count: Int, _ claims: [Resolution.Claim], _ ambiguous: Int,
        _ more: [(String, JSON)]
    ) throws {
        let gained = claims.filter { $0.isEdge && !$0.wasEdge }
        let lost = claims.filter { $0.wasEdge && !$0.isEdge }
        func place(_ claim: Resolution.Claim) -> String {
            claim.subject + claim.candidate.prefix { $0 != ":" }
        }
        let left = Set(lost.map(place))
        let flipped = gained.filter { left.contains(place($0)) }
        func json(_ claims: [Resolution.Claim]) -> JSON {
            .array(
                claims.map {
                    [
                        "uri": .text($0.subject), "candidate": .text($0.candidate),
                        "method": JSON($0.method?.rawValue), "confidence": JSON($0.confidence),
                    ]
                })
        }
        let wouldBe = rescore && !apply ? " would be" : ""
        let parts = [
            "\(Output.count(count, "track")): \(Output.count(gained.count, "match", "matches"))\(wouldBe) found",
            lost.isEmpty ? nil : "\(lost.count)\(wouldBe) given up",
            flipped.isEmpty ? nil : "\(flipped.count) of these for another",
            ambiguous == 0 ? nil : "\(ambiguous) to look at with `narada-cmd match review`",
        ]
        try session.answer(
            [
                ("tracks", JSON(count)), ("gained", json(gained)), ("lost", json(lost)),
                ("flipped", json(flipped)), ("ambiguous", JSON(ambiguous)),
            ] + more, text: parts.compactMap(\.self).joined(separator: ", "))
    }

    /// Asks by ISRC, then by names for what that does not settle.
    private func askMusicBrainz(
        _ session: Session, _ age: Milliseconds, _ chosen: (Resolution) -> [Resolution.Subject]
    ) async throws -> [(String, JSON)] {
        let fetch = try MusicBrainzFetch(session)
        let most = limit ?? .max
        let isrcs = try session.read { chosen(try Resolution($0)).compactMap(\.isrc) }
        let byISRC = try await fetch.isrcs(isrcs, maxAgeMS: age, limit: most)
        let (open, bare): ([Resolution.Subject], [String]) = try session.read { db in
            let resolution = try Resolution(db)
            return (
                try resolution.open(chosen(resolution), .musicbrainz, db),
                // Recordings that a listen named and nobody described yet.
                try db.values(
                    """
                    SELECT uri FROM entities WHERE uri GLOB 'mb:recording:*' AND title IS NULL
                    ORDER BY id LIMIT ?
                    """, most)
            )
        }
        for uri in bare { _ = try await fetch.recording(uri, maxAgeMS: age) }
        var searched = 0
        for (place, subject) in open.enumerated() where searched < most {
            session.progress.show("searching MusicBrainz", place + 1, of: open.count)
            let isAsked = try await fetch.search(
                artist: subject.artist, title: subject.title, maxAgeMS: age)
            if isAsked { searched += 1 }
        }
        session.progress.finish()
        return [("asked", JSON(byISRC.asked)), ("searched", JSON(searched))]
    }

    /// Asks for what scrobbles and counts do not name already.
    private func askLastfm(
        _ session: Session, _ age: Milliseconds, _ chosen: (Resolution) -> [Resolution.Subject]
    ) async throws -> [(String, JSON)] {
        guard connector == .lastfm || session.settings["LASTFM_API_KEY"] != nil else { return [] }
        let open = try session.read { db in
            let resolution = try Resolution(db)
            return try resolution.open(chosen(resolution), .lastfm, db)
        }
        let result = try await LastfmFetch(session).counts(
            of: open, maxAgeMS: age, limit: limit ?? .max)
        return [("asked_lastfm", JSON(result.asked))]
    }

    /// Which counts and playlists would be other ones.
    private static func effects(of events: [NewEvent], _ session: Session) throws -> [(
        String, JSON
    )] {
        func shown(_ db: Database) throws -> (counts: Set<String>, playlists: [String: String]) {
            let counts: [String] = try db.values(
                """
                SELECT n.uri || ' ' || p.user_id || ' ' || ifnull(p.user_play_count, '') FROM nodes n
                JOIN play_counts p ON p.track_id = n.track_id WHERE n.uri GLOB 'spotify:track:*'
                """)
            let playlists = try db.rows(
                """
                SELECT p.uri, (SELECT group_concat(track_id || ' ' || ifnull((SELECT sum(user_play_count)
                    FROM play_counts c WHERE c.track_id = r.track_id), '')) FROM playlist_tracks r
                    WHERE r.playlist_id = p.id) FROM playlists p WHERE is_deleted = 0
                """)
            return (
                Set(counts),
                Dictionary(uniqueKeysWithValues: playlists.map { ($0[0], $0[1] ?? "") })
            )
        }
        let before = try session.projector.read(shown)
        let after = try session.projector.rehearse(events, at: session.clock.now, shown).result
        let counts = Set(
            before.counts.symmetricDifference(after.counts).map { $0.prefix { $0 != " " } })
        let playlists = after.playlists.filter { before.playlists[$0.key] != $0.value }.keys
        return [("counts", JSON(counts.count)), ("playlists", .texts(playlists.sorted()))]
    }
}

struct MatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "match",
        abstract: "Say yourself what is the same track; your word counts first.",
        subcommands: [Confirm.self, Reject.self, Retract.self, Review.self])

    struct Pair: ParsableArguments {
        @OptionGroup var options: WriteOptions
        @Argument(help: "A track's URI or URL.") var track: String
        @Argument(help: "What it is called elsewhere: mb:recording:…, lastfm:track:…") var other:
            String

        /// Appends a decision on the two, if it changes anything.
        func decide(_ kind: EventKind) throws {
            let session = try Session(writing: options, task: "match", creating: false)
            let uris = try [trackURI(track), trackURI(other)].sorted {
                $0.utf8.lexicographicallyPrecedes($1.utf8)
            }
            try require(
                uris[0] != uris[1], .usage("a track is itself", hint: "name two that may differ."))
            try session.decide { db in
                guard let event = try MatchCommand.event(kind, uris, db) else { return [] }
                for uri in uris where try db.row("SELECT 1 FROM nodes WHERE uri = ?", uri) == nil {
                    session.note("nothing names \(uri) yet; the decision waits for it")
                }
                return [event]
            }
            try session.answer(
                [("uris", .texts(uris))],
                text: session.appended.isEmpty ? "that is decided already" : "done")
        }
    }

    /// The event that says so of two entities; nil if the same word is in force.
    ///
    /// - Throws: Exit 66 where nothing is decided that could be taken back.
    fileprivate static func event(_ kind: EventKind, _ uris: [String], _ db: Database) throws
        -> NewEvent?
    {
        let known = try db.row(
            "SELECT word, method FROM matches WHERE a_uri = ? AND b_uri = ?", uris[0], uris[1])
        let word = known?[0] as String?
        var data: [(String, JSON)] = [("uris", .texts(uris))]
        if kind == .matchRetracted {
            try require(
                known != nil,
                .notFound(
                    "nothing is decided on \(uris[0]) and \(uris[1])",
                    hint: "`narada-cmd match review` lists what could be."))
            data.append(("of", word != nil ? "person" : "matcher"))
        } else if word.map({ "match." + $0 == kind.rawValue }) == true {
            return nil
        }
        return NewEvent(
            kind, on: try streamName("match:\(uris[0])|\(uris[1])"), .object(data))
    }

    struct Confirm: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "confirm", abstract: "These two are one track.")
        @OptionGroup var pair: Pair
        func run() throws { try pair.decide(.matchConfirmed) }
    }

    struct Reject: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "reject", abstract: "These two are not one track, whatever a matcher says."
        )
        @OptionGroup var pair: Pair
        func run() throws { try pair.decide(.matchRejected) }
    }

    struct Retract: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retract",
            abstract: "Take back your word on these two, or else the matcher's.")
        @OptionGroup var pair: Pair
        func run() throws { try pair.decide(.matchRetracted) }
    }

    struct Review: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "review", abstract: "Go through what a matcher does not dare to decide.",
            discussion: """
                Shows two candidates side by side with the evidence and asks: c they are one, r they are not, s
                skip, q stop. Without a terminal, or with --json, it lists them and asks nothing.
                """)
        @OptionGroup var options: WriteOptions
        @Option(help: "At most so many.") var limit = 100

        func run() throws {
            let session = try Session(writing: options, task: "match review", creating: false)
            // Also what is sure but left out because it would bring a rejected pair together.
            let open = try session.read { db in
                try db.rows(
                    """
                    SELECT m.a_uri, m.b_uri, m.method, m.confidence, m.asserted_seq, a.title, a.artists,
                        a.album, a.duration_ms, b.title, b.artists, b.album, b.duration_ms
                    FROM matches m JOIN entities a ON a.uri = a_uri JOIN entities b ON b.uri = b_uri
                    WHERE word IS NULL AND a.track_id <> b.track_id
                    ORDER BY (SELECT count(*) FROM listens WHERE track_id IN (a.track_id, b.track_id)
                        AND reason IS NULL) DESC, m.confidence DESC, m.a_uri, m.b_uri LIMIT ?
                    """, limit)
            }
            let evidence = try open.map { row in
                try session.ledger.event(row[4]) {
                    $0.data["evidence"].map { Array($0.bytes) } ?? nil
                }
                    ?? nil
            }
            if open.isEmpty, !options.globals.json {
                return Output.line("there is nothing to look at")
            }
            let isAsking = !options.globals.json && isatty(0) == 1 && isatty(1) == 1
            guard isAsking else {
                let rows = zip(open, evidence).map { row, evidence -> JSON in
                    [
                        "uris": .texts([row[0], row[1]]), "method": JSON(row[2] as String?),
                        "confidence": .integer(row[3]), "titles": [JSON(row[5]), JSON(row[9])],
                        "artists": [
                            .texts(artistNames(row[6])), .texts(artistNames(row[10])),
                        ], "evidence": evidence.map { .raw($0) } ?? nil,
                    ]
                }
                guard !options.globals.json else { return Output.json(.array(rows)) }
                for row in open { show(row, nil) }
                return
            }
            review: for (row, evidence) in zip(open, evidence) {
                show(row, evidence)
                while true {
                    Output.note("(c)onfirm, (r)eject, (s)kip, (q)uit?")
                    guard let answer = readLine()?.first, answer != "q" else { break review }
                    if answer == "s" { continue review }
                    let kinds: [Character: EventKind] = ["c": .matchConfirmed, "r": .matchRejected]
                    guard let kind = kinds[answer] else { continue }
                    try session.decide { db in
                        try MatchCommand.event(kind, [row[0], row[1]], db).map { [$0] } ?? []
                    }
                    continue review
                }
            }
            try session.answer(text: Output.count(session.appended.count, "decision"))
        }

        private func show(_ row: Row, _ evidence: [UInt8]?) {
            func side(_ at: Int) -> [String] {
                [
                    row[at] ?? "", artistNames(row[at + 1]).joined(separator: ", "),
                    row[at + 2] ?? "", (row[at + 3] as Int64?).map(Output.duration) ?? "",
                ]
            }
            Output.table(
                ["", row[0], row[1]],
                zip(["title", "artists", "album", "length"], zip(side(5), side(9))).map {
                    [$0, $1.0, $1.1]
                })
            Output.line("\(row[2] as String) \(row[3] as Int)")
            if let evidence { Output.line(Output.safe(String(decoding: evidence, as: UTF8.self))) }
            Output.line("")
        }
    }
}
