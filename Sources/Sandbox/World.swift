import JSONText
import Ledger

/// How much is invented, and from which seed.
public struct WorldSize: Codable, Sendable {
    public var seed: UInt64 = 1
    public var tracks = 40
    public var playlists = 5
    public var listens = 500
    public var likes = 12

    public init() {}
}

/// All that the services know, and how they are set to behave.
struct World: Codable, Sendable {
    /// The one user's name on every service.
    static let user = "sandbox"

    var catalogue = Catalogue()
    var spotify = SpotifyState()
    var lastfm = LastfmState()
    private var settings = World.defaults
    var faults: [Fault] = []
    private(set) var journal: [JSON] = []
    private var answered = 0

    private enum CodingKeys: CodingKey { case catalogue, spotify, lastfm, settings }

    /// Every setting: its value at the start, or the words it may have, the first one at the start.
    private static let table: [(name: String, value: JSON)] = [
        ("mode", "dev2026|full2026|legacy"), ("rotate_refresh", false),
        ("consent", "ok|ended|revoked"), ("login", "approve|ask|deny"), ("token_life", 3600),
        ("stale_reads", 0), ("private_listening", false), ("daily_cap", 100_000),
        ("cap_as", "code5|error29"), ("now", nil), ("now_playing", false), ("rate", nil),
        ("expire_tokens", false),
    ]
    private static let defaults = Dictionary(
        uniqueKeysWithValues: table.map { name, value in
            (name, value.string.map { .text(words($0)[0]) } ?? value)
        })

    private static func words(_ text: String) -> [String] {
        text.split(separator: "|").map(String.init)
    }

    /// Invents a world.
    init(_ size: WorldSize) { invent(size) }

    /// The present moment, or the one that was set.
    var now: Milliseconds { self["now"].string.flatMap { ISOTime.parse($0) } ?? Clock().now }

    /// A setting.
    subscript(setting: String) -> JSON { settings[setting] ?? .null }

    /// All settings, as they are now.
    var settingsJSON: JSON { .object(World.table.map { ($0.name, self[$0.name]) }) }

    /// Changes settings; none of them if one is refused.
    mutating func set(_ changes: [(String, JSON)]) throws {
        for (name, value) in changes {
            guard let known = World.table.first(where: { $0.name == name }) else {
                throw Refusal(400, "There is no setting '\(name)'.")
            }
            let isRight =
                switch known.value {
                case .text(let text): value.string.map { World.words(text).contains($0) } ?? false
                case .bool: value.bool != nil
                case .integer: value.integer != nil
                default:
                    value.isNull
                        || name == "now" && value.string.flatMap { ISOTime.parse($0) } != nil
                        || name == "rate" && value["requests"].integer != nil
                            && value["seconds"].integer != nil
                }
            guard isRight else { throw Refusal(400, "\(name) cannot be \(value.text).") }
        }
        for (name, value) in changes {
            settings[name] = value
            if name == "consent", value.string == "revoked" { lastfm.sessions = [] }
            guard name == "expire_tokens" else { continue }
            // An order that is carried out once rather than a state.
            if value.bool == true { spotify.grants = spotify.grants.mapValues { $0.expired() } }
            settings[name] = false
        }
    }

    /// Writes a request into the journal, without what a log must not hold.
    mutating func note(_ call: Call, _ service: String, _ reply: Reply, _ fault: String?) {
        answered += 1
        let body: JSON =
            call.isForm
            ? .object(redacted(call.form))
            : JSON(parsing: call.body) ?? JSON(call.body.isEmpty ? nil : "\(call.body.count) bytes")
        journal.append([
            "n": JSON(answered), "service": .text(service), "method": .text(call.method),
            "path": .text(call.path), "query": .object(redacted(call.query)), "body": body,
            "status": JSON(reply.isLost ? 0 : reply.status), "fault": JSON(fault),
        ])
        if journal.count > 50_000 { journal.removeFirst(10_000) }
    }

    /// Forgets the journal; the numbers go on.
    mutating func emptyJournal() { journal = [] }

    private func redacted(_ fields: [(name: String, value: String)]) -> [(String, JSON)] {
        let secrets: Set = [
            "access_token", "refresh_token", "code", "code_verifier", "client_secret", "api_key",
            "api_sig", "sk", "token", "authToken", "password",
        ]
        return fields.map { ($0.name, .text(secrets.contains($0.name) ? "…" : $0.value)) }
    }
}

/// Thirty-two random hexadecimal digits.
func randomToken() -> String {
    (0..<2).map { _ in
        let digits = String(UInt64.random(in: 0...(.max)), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
}
