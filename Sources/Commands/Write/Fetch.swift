import ArgumentParser
import Connectors
import Events
import JSONText
import Ledger
import Music

struct FetchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch", abstract: "Take in what the services show; safe to run again.",
        subcommands: [
            SpotifyPlaylists.self, SpotifyLikes.self, SpotifyRecent.self, LastfmListens.self,
            LastfmLoves.self, LastfmCounts.self, ListenBrainzListens.self, MusicBrainzISRCs.self,
        ])

    struct SpotifyPlaylists: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "spotify-playlist", abstract: "Fetch playlists whole, all rows.",
            discussion: """
                Examples: narada-cmd fetch spotify-playlist --mine
                          narada-cmd fetch spotify-playlist spotify:playlist:37i9dQZF1DXcBWIGoYBM5M

                A playlist that is not known gets a local one, linked to it, which follows each fetch.
                With --mine, playlists that have not changed cost no request of their own.
                """)
        @OptionGroup var options: WriteOptions
        @Argument(help: "URIs or URLs, or names of linked playlists.") var playlists: [String] = []
        @Flag(help: "All playlists of the person who is logged in.") var mine = false

        func validate() throws {
            guard mine == playlists.isEmpty else {
                throw ValidationError("Name playlists, or take all with --mine, one of the two.")
            }
        }

        func run() async throws {
            let session = try Session(writing: options, task: "fetch spotify-playlist")
            var rows: [JSON] = []
            var fetched = 0
            var closed: [String] = []
            func report(_ uri: String, _ name: String, _ outcome: SpotifyFetch.Outcome) {
                let about: [(String, JSON)]
                switch outcome {
                case .fetched(let local, let count):
                    fetched += 1
                    about = [
                        ("state", "fetched"), ("playlist", .text(local)), ("count", JSON(count)),
                    ]
                case .unchanged(let local):
                    about = [("state", "unchanged"), ("playlist", JSON(local))]
                case .closed:
                    closed.append(name)
                    about = [("state", "closed")]
                }
                rows.append(.object([("uri", .text(uri)), ("name", .text(name))] + about))
            }
            try await session.talking {
                let fetch = try SpotifyFetch(session)
                if mine {
                    try await fetch.mine(report)
                } else {
                    for reference in playlists {
                        let uri = try fetch.uri(of: reference)
                        let facts = try await fetch.facts(of: uri)
                        report(uri, facts.name, try await fetch.fetch(uri, facts: facts))
                    }
                }
            }
            let rest =
                closed.isEmpty
                ? ""
                : "; \(Output.count(closed.count, "playlist")) of others, which show no rows: \(closed.joined(separator: ", "))"
            try session.answer(
                [("playlists", .array(rows))],
                text: "\(fetched) of \(Output.count(rows.count, "playlist")) had changed" + rest)
        }
    }

    struct SpotifyLikes: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "spotify-likes", abstract: "Fetch the liked tracks of Spotify.")
        @OptionGroup var options: WriteOptions

        func run() async throws {
            try await fetchLikes(options, "spotify-likes") { try await SpotifyFetch($0).likes() }
        }
    }

    struct LastfmLoves: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "lastfm-loves", abstract: "Fetch the loved tracks of Last.fm.")
        @OptionGroup var options: WriteOptions

        func run() async throws {
            try await fetchLikes(options, "lastfm-loves") { try await LastfmFetch($0).loves() }
        }
    }

    struct SpotifyRecent: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "spotify-recent",
            abstract: "Fetch the last plays; Spotify tells about 50.")
        @OptionGroup var options: WriteOptions

        func run() async throws {
            let session = try Session(writing: options, task: "fetch spotify-recent")
            let new = try await session.talking { try await SpotifyFetch(session).recent() }
            try session.answer([("new", JSON(new))], text: Output.count(new, "new play"))
        }
    }

    struct LastfmListens: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "lastfm-listens", abstract: "Fetch the scrobbles that are not known yet.",
            discussion: "A walk that is interrupted goes on where it stopped.")
        @OptionGroup var options: WriteOptions

        func run() async throws {
            let session = try Session(writing: options, task: "fetch lastfm-listens")
            let result = try await session.talking { try await LastfmFetch(session).listens() }
            let pages = result.unreadable.map(String.init).joined(separator: ", ")
            try require(
                pages.isEmpty,
                NaradaError(
                    .tryAgain, "not-finished",
                    "\(Output.count(result.unreadable.count, "page")) of scrobbles could not be read: \(pages)",
                    hint: "all others are recorded; run it again for the rest."))
            try session.answer(
                [("new", JSON(result.new))], text: Output.count(result.new, "new scrobble"))
        }
    }

    struct ListenBrainzListens: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "listenbrainz-listens",
            abstract: "Fetch the listens that are not known yet.",
            discussion: "A walk that is interrupted goes on where it stopped.")
        @OptionGroup var options: WriteOptions

        func run() async throws {
            let session = try Session(writing: options, task: "fetch listenbrainz-listens")
            let new = try await session.talking { try await ListenBrainzFetch(session).listens() }
            try session.answer([("new", JSON(new))], text: Output.count(new, "new listen"))
        }
    }

    struct MusicBrainzISRCs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "musicbrainz-isrcs",
            abstract: "Ask MusicBrainz for the recordings of the tracks' ISRCs.",
            discussion: """
                Fifty a request, a request a second. What it knows is asked for once; what it does
                not know, again when that is older than --max-age.
                """)
        @OptionGroup var options: WriteOptions
        @Option(help: "What it did not know is not asked for again before.") var maxAge = "30d"

        func run() async throws {
            let session = try Session(writing: options, task: "fetch musicbrainz-isrcs")
            let age = try maxAgeMS(maxAge)
            let isrcs: [String] = try session.read {
                try $0.values(
                    "SELECT isrc FROM tracks WHERE spotify_id IS NOT NULL AND isrc <> '' ORDER BY id"
                )
            }
            let result = try await session.talking {
                try await MusicBrainzFetch(session).isrcs(isrcs, maxAgeMS: age)
            }
            try session.answer(
                [("asked", JSON(result.asked)), ("missing", JSON(result.missing))],
                text: "asked for \(Output.count(result.asked, "ISRC")); "
                    + "MusicBrainz does not know \(result.missing)")
        }
    }

    struct LastfmCounts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "lastfm-counts",
            abstract: "Fetch how often tracks were played, as Last.fm counts.",
            discussion: """
                Example: narada-cmd fetch lastfm-counts --playlist Morning --max-age 1d

                Without a playlist: the counts of all tracks ever scrobbled, a thousand a request.
                With one: a request a track, but for tracks asked for less than --max-age ago.
                """)
        @OptionGroup var options: WriteOptions
        @Option(help: "Only the tracks of this playlist.") var playlist: String?
        @Option(help: "Counts younger than this are not asked for again.") var maxAge = "7d"

        func run() async throws {
            let session = try Session(writing: options, task: "fetch lastfm-counts")
            let age = try maxAgeMS(maxAge)
            try await session.talking {
                let fetch = try LastfmFetch(session)
                guard let playlist else {
                    let count = try await fetch.allCounts(maxAgeMS: age)
                    return try session.answer(
                        [("tracks", JSON(count))],
                        text: count.map { "counts of \(Output.count($0, "track"))" }
                            ?? "the counts are younger than \(maxAge)")
                }
                let uris = try session.read { db in
                    try FoundPlaylist.find(playlist, db).rows(db).compactMap(\.uri)
                }
                let result = try await fetch.counts(of: uris, maxAgeMS: age)
                try session.answer(
                    [("asked", JSON(result.asked)), ("missing", JSON(result.missing))],
                    text:
                        "asked for \(Output.count(result.asked, "track")); Last.fm does not know \(result.missing)"
                )
            }
        }
    }
}

/// How old something may be, such as `7d`; in milliseconds.
func maxAgeMS(_ text: String) throws -> Milliseconds {
    try When.spanMS(text)
        ?? fail(
            .usage(
                "--max-age takes a time span, not '\(text)'",
                hint: "write it as 12h, 7d, 2w or 6mo."))
}

private func fetchLikes(
    _ options: WriteOptions, _ name: String,
    _ fetch: (Session) async throws -> (count: Int, changed: Bool)
) async throws {
    let session = try Session(writing: options, task: "fetch \(name)")
    let result = try await session.talking { try await fetch(session) }
    try session.answer(
        [("count", JSON(result.count)), ("changed", .bool(result.changed))],
        text: "\(Output.count(result.count, "track")), "
            + (result.changed ? "with changes" : "as before"))
}

extension PlaylistCommand {
    struct Push: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a service's playlist what the local one is, by as few calls as can be.",
            discussion: """
                Examples: narada-cmd playlist push Morning --dry-run
                          narada-cmd playlist push Morning

                Rows that stay keep their dates; local files stay. A playlist that is not linked gets a
                new one there.
                """)
        @OptionGroup var target: Target
        @Option(help: "The service.") var to = "spotify"
        @Flag(help: "Also where it empties the list or drops more than half of it.") var force =
            false
        @Flag(help: "Say what would be done and do nothing.") var dryRun = false

        func validate() throws {
            guard to == "spotify" else {
                throw ValidationError("--to takes spotify, the one service with playlists here.")
            }
        }

        func run() async throws {
            let session = try Session(
                writing: target.options, task: "playlist push", creating: false)
            let report = try await session.talking {
                try await PlaylistPush(session, force: force, dryRun: dryRun).push(target.playlist)
            }
            try session.answer(report.members, text: report.text(dryRun: dryRun))
        }
    }

    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a linked playlist as the service has it; local edits are given up.")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String

        func run() async throws {
            let session = try Session(writing: options, task: "playlist pull", creating: false)
            let (uri, count) = try await session.talking {
                let fetch = try SpotifyFetch(session)
                let uri = try fetch.uri(of: playlist)
                let outcome = try await fetch.fetch(uri, pulling: true)
                if case .fetched(_, let count) = outcome { return (uri, count) }
                return (uri, 0)
            }
            try session.answer(
                [("uri", .text(uri)), ("count", JSON(count))],
                text: "'\(playlist)' is as on Spotify: \(Output.count(count, "row"))")
        }
    }
}

extension PlaylistPush.Report {
    var members: [(String, JSON)] {
        [
            ("playlist", .text(playlist.uri)), ("uri", JSON(uri)), ("count", JSON(count)),
            ("writes", JSON(writes)), ("cannot", cannotJSON),
        ]
    }

    func text(dryRun: Bool) -> String {
        let positions = cannot.map { "\($0.position)" }.joined(separator: ", ")
        return "'\(playlist.name)' \(dryRun ? "would take" : "is on Spotify as it is here, by") "
            + Output.count(writes, "call")
            + (cannot.isEmpty ? "" : "; Spotify cannot be given positions \(positions)")
    }
}
