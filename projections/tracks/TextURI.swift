public import JSONText
import Ledger
@_spi(_Unicode) private import Swift

/// A track known by its names: `text:track:<artist>/<title>`, or `lastfm:track:…` as Last.fm spells them.
///
/// The names stand in normal form C, everything but RFC 3986's unreserved characters percent-encoded.
public struct TextURI {
    public let artist: String
    public let title: String
    private let prefix: String
    private static let prefixes = ["text:track:", "lastfm:track:"]

    /// Names a track that no service names.
    public init(artist: String, title: String) {
        self.init(0, artist, title)
    }

    /// Names an entity of Last.fm.
    public init(lastfm artist: String, title: String) {
        self.init(1, artist, title)
    }

    private init(_ prefix: Int, _ artist: String, _ title: String) {
        self.prefix = Self.prefixes[prefix]
        self.artist = Self.composed(artist)
        self.title = Self.composed(title)
    }

    /// Takes a URI apart; nil for any other.
    public init?(_ uri: Bytes) {
        guard let prefix = Self.prefixes.first(where: { uri.starts(with: $0.utf8) }),
            let slash = uri.firstIndex(of: UInt8(ascii: "/"))
        else { return nil }
        self.prefix = prefix
        artist = Self.decoded(uri.part(prefix.utf8.count..<slash))
        title = Self.decoded(uri.part(slash + 1..<uri.count))
    }

    /// The URI.
    public var uri: String { "\(prefix)\(Self.encoded(artist))/\(Self.encoded(title))" }

    /// Last.fm's page of one of its entities; nil for any other URI.
    ///
    /// Encoded as Last.fm does it: a plus for a space, so plus and per cent twice. Each name has one URL.
    static func lastfmURL(of uri: String) -> String? {
        func page(_ name: String) -> String {
            encoded(name, plain: " !$&()*,:").replacing("%25", with: "%2525")
                .replacing("%2B", with: "%252B").replacing(" ", with: "+")
        }
        let names = Array(uri.utf8).withUnsafeBufferPointer { TextURI($0) }
        guard let names, names.prefix == prefixes[1] else { return nil }
        return "https://www.last.fm/music/\(page(names.artist))/_/\(page(names.title))"
    }

    /// Normal form C; Unicode keeps it the same in all versions for characters that are assigned.
    private static func composed(_ text: String) -> String {
        text.utf8.allSatisfy { $0 < 0x80 } ? text : String(String.UnicodeScalarView(text._nfc))
    }

    /// Percent-encodes all but the unreserved characters of RFC 3986.
    package static func encoded(_ text: String, plain: String = "") -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var output: [UInt8] = []
        output.reserveCapacity(text.utf8.count * 2)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: output.append(byte)
            case _ where plain.utf8.contains(byte): output.append(byte)
            default: output += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func decoded(_ bytes: Bytes) -> String {
        var result: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let digits = String(decoding: bytes.dropFirst(at + 1).prefix(2), as: UTF8.self)
            if bytes[at] == UInt8(ascii: "%"), digits.count == 2,
                let byte = UInt8(digits, radix: 16)
            {
                result.append(byte)
                at += 3
            } else {
                result.append(bytes[at])
                at += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
