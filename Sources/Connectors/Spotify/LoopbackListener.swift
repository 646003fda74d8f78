private import Foundation
private import Glibc

/// Takes the one answer that a browser brings back from a log-in page, on this machine alone.
public final class LoopbackListener: Sendable {
    /// The address the browser is to come back to, port included.
    public let redirect: String
    private let descriptor: Int32
    private let path: String

    /// Listens where a redirect URI such as `http://127.0.0.1/callback` says, on any free port if it names none.
    ///
    /// - Throws: ``ServiceError/Code/configuration`` if that is not on this machine or cannot be had.
    public init(_ uri: String) throws {
        let rest = uri.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" }
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        let wanted = parts.count == 2 ? UInt16(parts[1]) : parts.count == 1 ? 0 : nil
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        path = String(rest.dropFirst(authority.count))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = (wanted ?? 0).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Glibc.bind(descriptor, pointer, size) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, pointer, &size) == 0
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        redirect = "http://127.0.0.1:\(port)\(path)"
        guard uri.hasPrefix("http://127.0.0.1"), parts[0] == "127.0.0.1", wanted != nil,
            path.hasPrefix("/"), isListening
        else {
            throw ServiceError(
                code: .configuration, service: "spotify",
                message: "Narada cannot listen on '\(uri)'",
                remedy:
                    "set SPOTIFY_REDIRECT_URI to http://127.0.0.1/callback, or name a free port.")
        }
    }

    deinit { close(descriptor) }

    /// Waits for the browser; gives the code that the log-in page sent along.
    ///
    /// Other paths get 404; an answer with another `state`, or for another host, is not ours and is not taken.
    /// - Throws: ``ServiceError/Code/notAllowed`` if the person refused or nobody came in time.
    public func code(state: String, within timeout: Duration) async throws -> String {
        // On a thread of its own: the wait is long, and tasks share few.
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try self.wait(state, timeout) })
            }
        }
    }

    private func wait(_ state: String, _ timeout: Duration) throws -> String {
        let end = ContinuousClock.now + timeout
        func refused(_ what: String) -> ServiceError {
            ServiceError(
                code: .notAllowed, service: "spotify", message: what,
                remedy: "run `narada-cmd login spotify` again and allow it in the browser.")
        }
        while ContinuousClock.now < end {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 100) > 0 else { continue }
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { continue }
            defer { close(connection) }
            let head = Self.head(connection)
            let line = head.first?.split(separator: " ").map(String.init) ?? []
            let isOurs = head.contains {
                $0.lowercased() == "host: " + redirect.dropFirst(7).prefix { $0 != "/" }
            }
            guard line.count == 3, line[0] == "GET", isOurs,
                let url = URLComponents(string: line[1]), url.path == path
            else {
                Self.answer(connection, "404 Not Found", "There is nothing here.")
                continue
            }
            func value(_ name: String) -> String? {
                url.queryItems?.first { $0.name == name }?.value
            }
            guard value("state") == state else {
                Self.answer(
                    connection, "400 Bad Request", "This is not the log-in that Narada waits for.")
                continue
            }
            if let code = value("code") {
                Self.answer(connection, "200 OK", "Narada is logged in. You can close this page.")
                return code
            }
            Self.answer(connection, "200 OK", "Narada is not logged in.")
            throw refused(
                "Spotify says that it was not allowed: \(value("error") ?? "no code came")")
        }
        throw refused("nobody allowed it in time")
    }

    /// The lines of a request's head; what a slow or silent browser sent within a second.
    private static func head(_ connection: Int32) -> [String] {
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(
            connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 8192)
        while bytes.count < 16_384, !String(decoding: bytes, as: UTF8.self).contains("\r\n\r\n") {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            bytes += buffer.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\r\n").map(String.init)
    }

    private static func answer(_ connection: Int32, _ status: String, _ text: String) {
        let page = "<!doctype html><meta charset=utf-8><title>Narada</title><p>\(text)</p>\n"
        let bytes = Array(
            "HTTP/1.1 \(status)\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: \(page.utf8.count)\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n\(page)"
                .utf8)
        _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
