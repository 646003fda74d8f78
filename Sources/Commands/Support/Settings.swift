import Connectors
import Foundation

/// A service's address, which only the environment can change: a foreign folder's `.env` could send a token
/// elsewhere.
struct BaseURL {
    static let spotify = BaseURL("NARADA_SPOTIFY_API_URL", "https://api.spotify.com/v1")
    static let spotifyAccounts = BaseURL(
        "NARADA_SPOTIFY_ACCOUNTS_URL", "https://accounts.spotify.com")
    static let lastfm = BaseURL("NARADA_LASTFM_URL", "https://ws.audioscrobbler.com/2.0/")
    static let lastfmAuth = BaseURL("NARADA_LASTFM_AUTH_URL", "https://www.last.fm/api/auth/")

    static let musicbrainz = BaseURL("NARADA_MUSICBRAINZ_URL", "https://musicbrainz.org/ws/2")
    static let listenbrainz = BaseURL(
        "NARADA_LISTENBRAINZ_URL", "https://api.listenbrainz.org")
    /// Those that keep people waiting, by their names in events.
    static let services = [
        "spotify": spotify, "lastfm": lastfm, "musicbrainz": musicbrainz,
        "listenbrainz": listenbrainz,
    ]

    let variable: String
    /// The real service.
    let standard: String

    private init(_ variable: String, _ standard: String) {
        (self.variable, self.standard) = (variable, standard)
    }
}

/// What a person set: the environment over `.env` in the working directory over
/// `$XDG_CONFIG_HOME/narada/.env`.
struct Settings {
    let environment: [String: String]
    /// The values of the files, nearest first.
    private let files: [[String: String]]

    /// Reads the settings of this process.
    init() {
        environment = ProcessInfo.processInfo.environment.filter { !$0.value.isEmpty }
        let configuration =
            environment["XDG_CONFIG_HOME"] ?? environment["HOME"].map { $0 + "/.config" }
        files = [".env", configuration.map { $0 + "/narada/.env" }].compactMap { path in
            path.flatMap { FileManager.default.contents(atPath: $0) }
                .map { Self.parse(String(decoding: $0, as: UTF8.self)) }
        }
    }

    /// Lines of `NAME=value`, with or without `export` and quotes; others do not count.
    private static func parse(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: "=", maxSplits: 1).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            guard parts.count == 2, !parts[0].hasPrefix("#") else { continue }
            var value = parts[1]
            if let quote = value.first, "\"'".contains(quote), value.count > 1, value.last == quote
            {
                value = String(value.dropFirst().dropLast())
            }
            values[parts[0].replacing("export ", with: "")] = value.isEmpty ? nil : value
        }
        return values
    }

    /// A setting; nil if nobody set it.
    subscript(_ name: String) -> String? {
        // Where the home and the services are, and what time it is, no file decides.
        let fromFiles = !name.hasPrefix("NARADA_") || name == "NARADA_CONTACT"
        return environment[name] ?? (fromFiles ? files.lazy.compactMap { $0[name] }.first : nil)
    }

    /// A setting that must be there.
    func require(_ name: String) throws -> String {
        if let value = self[name] { return value }
        let source =
            switch name {
            case "SPOTIFY_CLIENT_ID":
                "make an app on https://developer.spotify.com/dashboard with the redirect URI http://127.0.0.1/callback; it is the app's client ID"
            case "LASTFM_API_KEY", "LASTFM_API_SECRET":
                "https://www.last.fm/api/account/create gives a key and a secret"
            default: "it is your name there"
            }
        throw NaradaError.configuration(
            "\(name) is not set", hint: "set it in the environment or in .env; \(source).")
    }

    /// A service's address.
    func base(_ service: BaseURL) throws -> String {
        let url = self[service.variable] ?? service.standard
        guard let origin = Origin(url), origin.scheme == "https" || origin.isLoopback,
            !url.contains("?")
        else {
            throw NaradaError.configuration(
                "\(service.variable) takes an address of https, or of http on this machine, not '\(url)'",
                hint: "set it right or unset it.")
        }
        // A clock that stands still would remember limits and tokens of a real service wrongly.
        guard self["NARADA_NOW"] == nil || origin.isLoopback else {
            throw NaradaError.configuration(
                "NARADA_NOW is set, and \(origin.host) is a real service",
                hint: "unset NARADA_NOW, or set \(service.variable) to a sandbox.")
        }
        return url
    }
}
