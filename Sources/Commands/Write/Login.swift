import ArgumentParser
import Connectors
import Foundation
import JSONText

/// A service that people log in to.
enum LoginService: String, ExpressibleByArgument, CaseIterable {
    case spotify, lastfm, listenbrainz
}

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Let Narada read and change your music at a service.",
        discussion: """
            Opens the service's page in a browser and waits until you allow it. ListenBrainz gives you a
            token on its page of settings instead, which is read from stdin.

            Examples:
              narada-cmd login spotify
              narada-cmd login lastfm --no-browser
              narada-cmd login listenbrainz --token - < token.txt
            """)
    @Argument(help: "spotify, lastfm or listenbrainz.") var service: LoginService
    @Flag(help: "Print the address on stdout instead of opening it.") var noBrowser = false
    @Option(help: ArgumentHelp("How long to wait for you.", valueName: "seconds")) var timeout =
        300.0
    @Option(help: "- to read ListenBrainz's token from stdin.") var token: String?
    @OptionGroup var options: WriteOptions

    func validate() throws {
        // What stands in arguments, other people on this machine can see.
        guard token == (service == .listenbrainz ? "-" : nil) else {
            throw ValidationError(
                "--token - goes with listenbrainz, and reads the token from stdin.")
        }
        guard timeout > 0, timeout < 1e6 else {
            throw ValidationError("--timeout takes seconds, more than 0.")
        }
    }

    func run() async throws {
        let session = try Session(writing: options, task: "a log-in")
        let (user, more): (String, [(String, JSON)]) =
            switch service {
            case .spotify: try await spotify(session)
            case .lastfm: try await lastfm(session)
            case .listenbrainz: try await listenbrainz(session)
            }
        try session.answer(
            [("service", .text(service.rawValue)), ("user", .text(user))] + more,
            text: "logged in to \(service.rawValue) as \(user)")
    }

    private func spotify(_ session: Session) async throws -> (String, [(String, JSON)]) {
        let login = try session.spotifyLogin()
        let clientID = try session.settings.require("SPOTIFY_CLIENT_ID")
        let listener = try LoopbackListener(
            session.settings["SPOTIFY_REDIRECT_URI"] ?? "http://127.0.0.1/callback")
        let (state, verifier) = (SpotifyLogin.secret(), SpotifyLogin.secret())
        show(
            login.authorizeURL(
                clientID: clientID, redirect: listener.redirect, state: state, verifier: verifier))
        let code = try await listener.code(state: state, within: .seconds(timeout))
        let missing = try await login.finish(
            code: code, clientID: clientID, redirect: listener.redirect, verifier: verifier)
        if !missing.isEmpty {
            let scopes = missing.joined(separator: " ")
            Output.note("note: not granted, so some commands will not work: \(scopes)")
        }
        let user = try await session.spotify(limits: []).get("/me").read { $0["id"]?.text ?? "" }
        try await session.credentials.locked {
            let fields = try session.credentials.read("spotify") ?? [:]
            try session.credentials.write("spotify", fields.merging(["user": user]) { $1 })
        }
        return (user, [("missing_scopes", .texts(missing))])
    }

    private func lastfm(_ session: Session) async throws -> (String, [(String, JSON)]) {
        let fields = try await session.lastfm(limits: []).logIn(
            page: session.settings.base(.lastfmAuth), within: .seconds(timeout), show: show)
        try await session.credentials.locked { try session.credentials.write("lastfm", fields) }
        return (fields["user"] ?? "", [])
    }

    private func listenbrainz(_ session: Session) async throws -> (String, [(String, JSON)]) {
        let given = (readLine() ?? "").filter { !$0.isWhitespace }
        let client = try session.listenbrainz(limits: [], token: given)
        guard !given.isEmpty, let user = try await client.user() else {
            throw client.service.error(
                .notAllowed, "ListenBrainz does not know this token",
                remedy: "https://listenbrainz.org/settings/ shows yours.")
        }
        let fields = ["base": client.service.base, "user": user, "token": given]
        try await session.credentials.locked {
            try session.credentials.write("listenbrainz", fields)
        }
        return (user, [])
    }

    /// Brings the person to a page.
    private func show(_ url: String) {
        guard !noBrowser else { return Output.line(url) }
        Output.note("Allow it here, if no browser opens: \(url)")
        let opener = Process()
        opener.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        opener.arguments = ["xdg-open", url]
        opener.standardOutput = FileHandle.nullDevice
        opener.standardError = FileHandle.nullDevice
        try? opener.run()
    }
}

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "Forget the log-in to a service.")
    @Argument(help: "spotify, lastfm or listenbrainz.") var service: LoginService
    @OptionGroup var options: WriteOptions

    func run() async throws {
        let session = try Session(writing: options, task: "a log-out")
        let wasIn = try session.credentials.read(service.rawValue) != nil
        if wasIn {
            try await session.credentials.locked {
                try session.credentials.write(service.rawValue, nil)
            }
        }
        let text = wasIn ? "logged out of" : "nobody was logged in to"
        try session.answer(
            [("service", .text(service.rawValue))], text: "\(text) \(service.rawValue)")
    }
}
