import Foundation
import Synchronization

/// A server on loopback that answers byte by byte as a test says: it can cut, stall and lie.
public final class RawServer: Sendable {
    /// What comes after the bytes of an answer.
    public enum After: Sendable { case keep, close, stall }

    /// What the threads share; they outlive the server by a moment.
    private final class Journal: Sendable {
        let requests = Mutex<[String]>([])
        let connections = Mutex<[Int32]>([])

        func note(_ request: String) -> Int {
            requests.withLock {
                $0.append(request)
                return $0.count - 1
            }
        }
    }
    private let journal = Journal()
    private let listener: Int32
    /// Where it listens: `http://127.0.0.1:PORT`.
    public let url: String

    /// Starts to listen.
    ///
    /// - Parameter answer: Gives the bytes for a request as it came, head and body; numbers from 0.
    public init(
        _ answer: @escaping @Sendable (_ request: String, _ number: Int) -> ([UInt8], After)
    ) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                precondition(bind(listener, pointer, size) == 0 && listen(listener, 64) == 0)
                getsockname(listener, pointer, &size)
            }
            return UInt16(bigEndian: $0.pointee.sin_port)
        }
        self.listener = listener
        url = "http://127.0.0.1:\(port)"
        Thread.detachNewThread { [journal] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                journal.connections.withLock { $0.append(connection) }
                Thread.detachNewThread { Self.serve(connection, journal, answer) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        journal.connections.withLock { $0.forEach { shutdown($0, Int32(SHUT_RDWR)) } }
    }

    /// What was asked so far, each head and body.
    public var requests: [String] { journal.requests.withLock { $0 } }
    /// How many connections were made.
    public var connectionCount: Int { journal.connections.withLock { $0.count } }

    private static func serve(
        _ connection: Int32, _ journal: Journal,
        _ answer: (String, Int) -> ([UInt8], After)
    ) {
        var pending: [UInt8] = []
        while let request = read(connection, &pending) {
            let (bytes, after) = answer(request, journal.note(request))
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes {
                    send(
                        connection, $0.baseAddress?.advanced(by: sent), bytes.count - sent,
                        Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { break }
                sent += count
            }
            if after == .stall {
                var byte: UInt8 = 0
                while recv(connection, &byte, 1, 0) > 0 {}
            }
            if after != .keep || sent < bytes.count { break }
        }
        // Shut, not closed: the number stays taken until the server goes.
        shutdown(connection, Int32(SHUT_RDWR))
    }

    /// One request: its head and as much body as it says.
    private static func read(_ connection: Int32, _ pending: inout [UInt8]) -> String? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let text = String(decoding: pending, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = text[..<end.upperBound]
                let length = head.lowercased().range(of: "content-length: ").flatMap {
                    Int(head.lowercased()[$0.upperBound...].prefix { $0.isNumber })
                }
                let size = head.utf8.count + (length ?? 0)
                if pending.count >= size {
                    defer { pending.removeFirst(size) }
                    return String(decoding: pending.prefix(size), as: UTF8.self)
                }
            }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            pending += buffer.prefix(count)
        }
    }
}

/// An answer of HTTP/1.1 with its length.
public func httpAnswer(_ status: Int = 200, _ headers: [String] = [], _ body: String = "")
    -> [UInt8]
{
    let head = ["HTTP/1.1 \(status) Said", "Content-Length: \(body.utf8.count)"] + headers
    return Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
}
