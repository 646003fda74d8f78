import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Projector

/// The services as a command calls them: settings, log-ins, limits of earlier runs, one pool.
extension Session {
    /// Spotify, as the person who is logged in.
    func spotify(limits: [ServiceLimit]) throws -> SpotifyClient {
        let base = try settings.base(.spotify)
        let fields = try credentials.require("spotify", base: base)
        if let warning = SpotifyLogin.consentWarning(fields, now: clock.now) { note(warning) }
        let login = try spotifyLogin()
        return SpotifyClient(
            service(
                "spotify", "Spotify", base, SpotifyClient.manner, limits: limits,
                token: { try await login.token($0) }))
    }

    /// Spotify's accounts service.
    func spotifyLogin() throws -> SpotifyLogin {
        let accounts = try settings.base(.spotifyAccounts)
        return SpotifyLogin(
            service("spotify", "Spotify", accounts, SpotifyLogin.manner, limits: []),
            for: try settings.base(.spotify), in: credentials)
    }

    /// Last.fm; signed calls in the name of the person who is logged in, if somebody is.
    func lastfm(limits: [ServiceLimit]) throws -> LastfmClient {
        let base = try settings.base(.lastfm)
        return LastfmClient(
            service("lastfm", "Last.fm", base, LastfmClient.manner, limits: limits),
            key: try settings.require("LASTFM_API_KEY"), secret: settings["LASTFM_API_SECRET"],
            sessionKey: { [credentials] in
                try credentials.require("lastfm", base: base)["session_key"] ?? ""
            })
    }

    /// MusicBrainz, which wants to know who asks.
    func musicbrainz(limits: [ServiceLimit]) throws -> MusicBrainzClient {
        let base = try settings.base(.musicbrainz)
        if settings["NARADA_CONTACT"] == nil, Origin(base)?.isLoopback == false {
            note("MusicBrainz asks for an address; set NARADA_CONTACT to your e-mail or home page")
        }
        return MusicBrainzClient(
            service("musicbrainz", "MusicBrainz", base, MusicBrainzClient.manner, limits: limits))
    }

    /// ListenBrainz, in the name of the person who is logged in, if somebody is.
    ///
    /// - Parameter token: One to be tried, in the place of that of the log-in or the settings.
    func listenbrainz(limits: [ServiceLimit], token: String? = nil) throws -> ListenBrainzClient {
        let base = try settings.base(.listenbrainz)
        let isIn = try token == nil && credentials.read("listenbrainz") != nil
        let kept =
            try isIn
            ? credentials.require("listenbrainz", base: base)["token"]
            : settings["LISTENBRAINZ_TOKEN"]
        return ListenBrainzClient(
            service(
                "listenbrainz", "ListenBrainz", base, ListenBrainzClient.manner, limits: limits),
            token: token ?? kept)
    }

    /// What services asked for in earlier runs.
    func limits() throws -> [ServiceLimit] {
        try read { db in
            try db.rows("SELECT service, base, nullif(group_name, ''), until FROM limits").map {
                ServiceLimit(service: $0[0], base: $0[1], group: $0[2], untilMS: $0[3])
            }
        }
    }

    private func service(
        _ name: String, _ title: String, _ base: String, _ manner: ServiceManner,
        limits: [ServiceLimit], token: Service.TokenSource? = nil
    ) -> Service {
        let (isVerbose, isQuiet) = (globals.verbose, globals.quiet)
        return Service(
            name, title: title, base: base, manner: manner,
            over: { [pool] in try await pool.send($0) },
            clock: clock, pace: Pace(isOff: settings["NARADA_PACE"] == "off"), limits: limits,
            token: token,
            trace: { line, isWait in if isVerbose || isWait && !isQuiet { Output.note(line) } })
    }

    /// Judges tracks by what is recorded about them, and appends what is now claimed otherwise.
    ///
    /// - Parameters:
    ///   - connector: The service whose names are judged; all if nil.
    ///   - tracks: Chooses among all tracks of Spotify's.
    func resolve(
        _ connector: ResolvedConnector?, _ tracks: (Resolution) throws -> [Resolution.Subject]
    ) throws -> (changes: [Resolution.Claim], ambiguous: Int) {
        let found = try read { db in
            let resolution = try Resolution(db)
            return try resolution.claims(tracks(resolution), connector, db)
        }
        try append(claims: found.changes)
        return found
    }

    /// Appends what is claimed, a thousand a commit.
    func append(claims: [Resolution.Claim]) throws {
        for start in stride(from: 0, to: claims.count, by: 1000) {
            try append(claims[start...].prefix(1000).map { try $0.event })
        }
    }

    /// Talks to services; what one of them says about being closed for long is written down.
    func talking<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch {
            progress.finish()
            if let limit = error as? ServiceError, limit.code == .limited, limit.status != 0,
                let until = limit.untilMS
            {
                let base = try settings.base(BaseURL.services[limit.service] ?? .spotify)
                let data = JSON.known([
                    "until": .text(ISOTime.text(until)), "status": JSON(max(100, limit.status)),
                    "base": .text(base), "group": limit.group.map { .text($0) },
                    "reason": limit.reason.map { .text($0) },
                ])
                let stream = try streamName("connector:\(limit.service)")
                try append([NewEvent(.connectorLimited, on: stream, data)])
            }
            try? finish()
            throw error
        }
    }
}
