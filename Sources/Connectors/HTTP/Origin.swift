private import CCurl

/// Scheme, host and port of an address, as the library that connects there reads it.
public struct Origin: Hashable, Sendable {
    /// `http` or `https`.
    public let scheme: String
    /// In lower case; an IPv6 address in brackets.
    public let host: String
    /// The port, also where the address leaves it out.
    public let port: String

    /// Reads an address; nil for one that is not HTTP or carries a user or a password.
    public init?(_ url: String) {
        let handle = curl_url()
        defer { curl_url_cleanup(handle) }
        guard curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK else { return nil }
        func part(_ part: CURLUPart) -> String? {
            guard let text = narada_curl_url_part(handle, part) else { return nil }
            defer { curl_free(text) }
            return String(cString: text)
        }
        guard let scheme = part(CURLUPART_SCHEME), ["http", "https"].contains(scheme),
            let host = part(CURLUPART_HOST), let port = part(CURLUPART_PORT),
            part(CURLUPART_USER) == nil, part(CURLUPART_PASSWORD) == nil
        else { return nil }
        (self.scheme, self.host, self.port) = (scheme, host.lowercased(), port)
    }

    /// Whether it is this machine, and nobody listens in between.
    public var isLoopback: Bool {
        let isIPv4 = host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
        return isIPv4 || host == "localhost" || host == "[::1]"
    }
}

/// Writes a text as a part of an address or a form: all but RFC 3986's unreserved characters encoded.
public func percentEncoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    let kept = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
    return String(
        decoding: text.utf8.flatMap {
            kept.contains($0) ? [$0] : [0x25, digits[Int($0 >> 4)], digits[Int($0 & 15)]]
        }, as: UTF8.self)
}

/// Writes names and values as a query or a form.
public func formEncoded(_ fields: [(String, String)]) -> String {
    fields.map { percentEncoded($0) + "=" + percentEncoded($1) }.joined(separator: "&")
}
