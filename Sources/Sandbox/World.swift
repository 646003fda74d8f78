import JSONText
import Ledger

/// All that the services know, and how they are set to behave.
struct World: Codable, Sendable {
    /// The one user's name on every service.
    static let user = "sandbox"

    /// What exists, by id.
    var tracks: [String: Track] = [:]
    var spotify = SpotifyState()
    var lastfm = LastfmState()
    var musicbrainz = MusicBrainzState()
    var listenbrainz = ListenBrainzState()
    private var settings: [String: JSON] = [:]
    var faults: [Fault] = []
    var journal: [JSON] = []
    private(set) var answered = 0

    private enum CodingKeys: CodingKey {
        case tracks, spotify, lastfm, musicbrainz, listenbrainz, settings
    }

    /// Invents a world; sizes that are not named are small.
    init(_ size: [String: Int]) { invent(size) }

    /// The present moment, or the one that was set.
    var now: Milliseconds { self["now"].time ?? Clock().now }

    /// A setting; one that takes words has the first of them at the start.
    subscript(setting: String) -> JSON {
        let usual = table("settings")[setting]
        return settings[setting] ?? usual.string.map { .text(words($0)[0]) } ?? usual
    }

    /// All settings, as they are now.
    var settingsJSON: JSON { .object(table("settings").members.map { ($0.0, self[$0.0]) }) }

    private func words(_ text: String) -> [String] { text.split(separator: "|").map(String.init) }

    /// Changes settings; none of them if one is refused.
    mutating func set(_ changes: [(String, JSON)]) throws {
        var changed = self
        for (name, value) in changes {
            let usual = table("settings").members.first { $0.0 == name }
            let isRight =
                switch try usual.or(400, "There is no setting '\(name)'.").1 {
                case .text(let text): words(text).contains(value.string ?? "")
                case .bool: value.bool != nil
                case .integer: (0...1_000_000_000).contains(value.integer ?? -1)
                default:
                    value.isNull || value.time != nil && name == "now"
                        || value["requests"].integer != nil && value["seconds"].integer != nil
                }
            try need(isRight, 400, "\(name) cannot be \(value.text).")
            // An order that is carried out once rather than a state.
            let isOrder = name == "expire_tokens" && value.bool == true
            changed.settings[name] = isOrder ? false : value
            for token in spotify.grants.keys where isOrder {
                changed.spotify.grants[token]?.expires = 0
            }
            if name == "consent", value.string == "revoked" { changed.lastfm.sessions = [] }
        }
        self = changed
    }

    /// Writes a request into the journal, without what a log must not hold.
    mutating func note(_ call: Call, _ service: String, _ reply: Reply, _ fault: String?) {
        answered += 1
        journal.append([
            "n": JSON(answered), "service": .text(service), "method": .text(call.method),
            "path": .text(call.path), "query": redacted(call.query),
            "body": call.form.isEmpty ? call.body : redacted(call.form),
            "status": JSON(reply.status), "fault": JSON(fault),
        ])
        if journal.count > 50_000 { journal.removeFirst(10_000) }
    }

    private func redacted(_ fields: [String: String]) -> JSON {
        let secrets = table("secrets").elements.map(\.string)
        let known = fields.map { ($0, secrets.contains($0) ? "…" : JSON.text($1)) }
        return .object(known.sorted { $0.0 < $1.0 })
    }
}

/// Thirty-two random hexadecimal digits.
func randomToken() -> String {
    (0..<32).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined()
}
