public import JSONText
import Ledger

/// A page of a list with its tracks or playlists taken out, each to be recorded once per change.
///
/// In the place of an entity stands `{"$observed":"<digest>","uri":"<its URI>"}`. Source: `ledger-format.md`,
/// Payloads.
public struct SplitPage: Sendable {
    /// An entity that stood on the page.
    public struct Entity: Sendable {
        public let uri: String
        /// The first 16 bytes of the payload's SHA-256, in hexadecimal.
        public let digest: String
        /// The object, token-exact.
        public let payload: [UInt8]
    }

    /// The page as it is recorded.
    public private(set) var payload: [UInt8] = []
    /// What was taken out, in order; one that stands there twice comes twice.
    public private(set) var entities: [Entity] = []

    /// Takes apart a page whose rows are under `items`.
    ///
    /// A row holds its entity under `item` or `track` or both, or is the entity itself. Rows that are null,
    /// and entities without a URI that can name a stream, stay as they came. A page that would not be the
    /// same after joining is kept whole.
    public init(_ page: JSONValue) {
        let parts = (page["items"]?.elements ?? []).flatMap(Self.parts)
        entities = parts.map { Entity($0) }
        let references = entities.map(\.reference)
        payload = page.compact(replacing: Array(zip(parts, references)))

        let whole = page.compact
        guard joined() != whole else { return }
        payload = whole
        entities = []
    }

    /// The page with every entity in its place again.
    func joined() -> [UInt8] {
        payload.withUnsafeBufferPointer { bytes in
            let page = JSONValue(bytes)
            let parts = (page["items"]?.elements ?? []).flatMap(Self.parts)
            return page.compact(replacing: Array(zip(parts, entities.map(\.payload))))
        }
    }

    /// The entities of a row, in order.
    private static func parts(_ row: JSONValue) -> [JSONValue] {
        if isEntity(row) { return [row] }
        let named = row.members.filter { $0.key.equals("item") || $0.key.equals("track") }
        return named.map(\.value).filter(isEntity)
    }

    private static func isEntity(_ value: JSONValue) -> Bool {
        value["uri"]?.text.flatMap { StreamName($0) } != nil
    }
}

extension SplitPage.Entity {
    fileprivate init(_ value: JSONValue) {
        uri = value["uri"]?.text ?? ""
        payload = value.compact
        digest = String(SHA256.digest(payload).description.prefix(32))
    }

    fileprivate var reference: [UInt8] {
        JSON.object([("$observed", .text(digest)), ("uri", .text(uri))]).bytes
    }
}
