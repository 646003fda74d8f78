private import CCurl
private import Foundation
private import Synchronization

/// What is taken from a service at most, and how long it may take.
public struct HTTPLimits: Sendable {
    /// Until a connection stands.
    public var connectMS = 10_000
    /// Seconds without progress, be it the first byte or the next.
    public var stallSeconds = 60
    /// The whole of a transfer, however steadily it goes on.
    public var totalMS = 300_000
    /// Bytes of a body, decompressed.
    public var body = 32 << 20
    /// Bytes of all headers.
    public var headers = 128 << 10
    /// Redirects of one call.
    public var redirects = 5

    /// The limits of the design.
    public init() {}
}

/// Why no whole answer came.
public enum TransportFault: Error, Hashable, Sendable {
    /// Nothing of the request left this machine.
    case notSent(String)
    /// The request or a part of it was sent, and no whole answer came: it may have been carried out.
    case lost(String)
    /// An answer came that is not taken: past a bound, or a redirect to where it must not lead.
    case unusable(String)
    /// The address or the certificate of the other side is not one to talk to.
    case refused(String)
}

/// Connections to services, kept and shared: libcurl on one thread of its own.
///
/// HTTPS anywhere, with the certificate checked always; plain HTTP only to this machine. HTTP/2 and
/// compression where the other side has them.
public final class HTTPPool: Sendable {
    private let loop: CurlLoop
    private let agent: String
    private let limits: HTTPLimits

    /// Starts a pool.
    ///
    /// - Parameter agent: The User-Agent: `Narada/1.0 (contact)`.
    public init(agent: String, limits: HTTPLimits = HTTPLimits()) {
        self.agent = agent
        self.limits = limits
        loop = CurlLoop()
    }

    deinit { loop.stop() }

    /// Sends a request and takes the answer, whatever its status.
    ///
    /// Redirects are followed for GET alone; the request's headers stay with the host, port and scheme they
    /// were meant for. A cancelled task takes its transfer out.
    ///
    /// - Throws: ``TransportFault``, or `CancellationError`.
    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        var request = request
        for _ in 0...limits.redirects {
            guard let origin = Origin(request.url) else {
                throw TransportFault.refused("that is not an address of http or https")
            }
            guard origin.scheme == "https" || origin.isLoopback else {
                throw TransportFault.refused(
                    "plain http goes to this machine only, not to \(origin.host)")
            }
            let (response, target) = try await exchange(request, with: origin)
            guard let target, request.method == "GET" else { return response }
            guard let next = Origin(target), next.scheme == "https" || origin.scheme == "http",
                next.scheme == "https" || next.isLoopback
            else { throw TransportFault.unusable("a redirect to where it must not lead") }
            if next != origin { request.headers = [] }
            request.url = target
        }
        throw TransportFault.unusable("more than \(limits.redirects) redirects")
    }

    private func exchange(
        _ request: HTTPRequest, with origin: Origin
    ) async throws -> (HTTPResponse, redirect: String?) {
        guard let transfer = Transfer(request, to: origin, agent: agent, limits: limits) else {
            throw TransportFault.refused("the request cannot be made")
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                transfer.continuation = continuation
                loop.add(transfer)
            }
        } onCancel: {
            transfer.isCancelled.store(true, ordering: .releasing)
            loop.wake()
        }
    }
}

/// The thread that moves all bytes.
private final class CurlLoop: @unchecked Sendable {
    private static let isReady = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    private let multi: UnsafeMutableRawPointer
    private let inbox = Mutex<(added: [Transfer], isStopping: Bool)>(([], false))
    /// The thread's own.
    private var active: [Transfer] = []

    init() {
        precondition(Self.isReady, "libcurl cannot be used here")
        guard let multi = curl_multi_init() else { preconditionFailure("out of memory") }
        self.multi = multi
        Thread.detachNewThread {
            // A write to a connection that was closed must not end the program: with CURLOPT_NOSIGNAL it is
            // ours to see to that.
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            self.run()
        }
    }

    func add(_ transfer: Transfer) {
        inbox.withLock { $0.added.append(transfer) }
        wake()
    }

    func wake() { curl_multi_wakeup(multi) }

    func stop() {
        // Woken before the thread can see it: afterwards there is nothing left to wake.
        inbox.withLock {
            $0.isStopping = true
            wake()
        }
    }

    private func run() {
        while true {
            let (added, isStopping) = inbox.withLock { inbox in
                defer { inbox.added = [] }
                return inbox
            }
            if isStopping { break }
            for transfer in added { curl_multi_add_handle(multi, transfer.easy) }
            active += added
            for transfer in active where transfer.isCancelled.load(ordering: .acquiring) {
                end(transfer, .failure(CancellationError()))
            }
            var count: Int32 = 0
            curl_multi_perform(multi, &count)
            while let message = curl_multi_info_read(multi, &count)?.pointee {
                guard message.msg == CURLMSG_DONE,
                    let transfer = active.first(where: { $0.easy == message.easy_handle })
                else { continue }
                end(transfer, Result { try transfer.answer(message.data.result) })
            }
            curl_multi_poll(multi, nil, 0, 10_000, nil)
        }
        curl_multi_cleanup(multi)
    }

    private func end(_ transfer: Transfer, _ result: Result<Transfer.Answer, any Error>) {
        curl_multi_remove_handle(multi, transfer.easy)
        active.removeAll { $0 === transfer }
        transfer.continuation?.resume(with: result)
        transfer.continuation = nil
    }
}

/// One request on its way. Made by the caller, then touched by the loop's thread alone but for
/// `isCancelled`.
private final class Transfer: @unchecked Sendable {
    typealias Answer = (HTTPResponse, redirect: String?)

    let easy: UnsafeMutableRawPointer
    let isCancelled = Atomic(false)
    var continuation: CheckedContinuation<Answer, any Error>?
    private let limits: HTTPLimits
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var headers: [(name: String, value: String)] = []
    private var headerSize = 0
    /// Whether the empty line behind the headers came: libcurl takes a cut inside them for an answer.
    private var hasAllHeaders = false
    private var body: [UInt8] = []
    private var isTooLarge = false

    init?(_ request: HTTPRequest, to origin: Origin, agent: String, limits: HTTPLimits) {
        guard let easy = curl_easy_init() else { return nil }
        self.easy = easy
        self.limits = limits
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1), (CURLOPT_CONNECTTIMEOUT_MS, limits.connectMS),
            (CURLOPT_TIMEOUT_MS, limits.totalMS), (CURLOPT_LOW_SPEED_TIME, limits.stallSeconds),
            (CURLOPT_LOW_SPEED_LIMIT, 1), (CURLOPT_MAXFILESIZE, limits.body),
            (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS)),
            // On a connection that was kept, libcurl sends a request again by itself when no answer comes.
            (CURLOPT_FRESH_CONNECT, request.repeats == .afterVerifying ? 1 : 0),
        ]
        var texts: [(CURLoption, String)] = [
            (CURLOPT_URL, request.url), (CURLOPT_USERAGENT, agent), (CURLOPT_ACCEPT_ENCODING, ""),
            (CURLOPT_PROTOCOLS_STR, "http,https"),
        ]
        if origin.isLoopback { texts.append((CURLOPT_PROXY, "")) }
        var codes = numbers.map { narada_curl_set_number(easy, $0, $1) }
        codes += texts.map { narada_curl_set_text(easy, $0, $1) }
        if let body = request.body ?? (["POST", "PUT"].contains(request.method) ? [] : nil) {
            codes.append(narada_curl_set_number(easy, CURLOPT_POSTFIELDSIZE, body.count))
            body.withUnsafeBytes {
                let copied = UnsafeMutableRawPointer(
                    mutating: $0.baseAddress ?? UnsafeRawPointer(easy))
                codes.append(narada_curl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, copied))
            }
        }
        if request.method != "GET" || request.body != nil {
            codes.append(narada_curl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method))
        }
        for header in request.headers + [("expect", "")] {
            let line = (header.name + ": " + header.value).filter { $0 >= " " }
            headerList = curl_slist_append(headerList, line) ?? headerList
        }
        codes.append(narada_curl_set_pointer(easy, CURLOPT_HTTPHEADER, headerList))
        let me = Unmanaged.passUnretained(self).toOpaque()
        codes.append(narada_curl_set_pointer(easy, CURLOPT_WRITEDATA, me))
        codes.append(narada_curl_set_pointer(easy, CURLOPT_HEADERDATA, me))
        codes.append(
            narada_curl_set_sink(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                Transfer.give(bytes, size * count, to: context) { $0.takeBody($1) }
            })
        codes.append(
            narada_curl_set_sink(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                Transfer.give(bytes, size * count, to: context) { $0.takeHeader($1) }
            })
        guard codes.allSatisfy({ $0 == CURLE_OK }) else { return nil }
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headerList)
    }

    /// What libcurl's end of a transfer means.
    func answer(_ code: CURLcode) throws(TransportFault) -> Answer {
        let reason = String(cString: curl_easy_strerror(code))
        if isTooLarge || code == CURLE_FILESIZE_EXCEEDED {
            throw .unusable("an answer of more than \(limits.body >> 20) MB")
        }
        switch code {
        case CURLE_OK where hasAllHeaders:
            let status = narada_curl_number(easy, CURLINFO_RESPONSE_CODE)
            let target = narada_curl_text(easy, CURLINFO_REDIRECT_URL).map { String(cString: $0) }
            return (HTTPResponse(status: status, headers: headers, body: body), target)
        case CURLE_OK: throw .lost("the answer was cut in its headers")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_URL_MALFORMAT,
            CURLE_UNSUPPORTED_PROTOCOL:
            throw .refused(reason)
        default:
            let isSent = narada_curl_number(easy, CURLINFO_REQUEST_SIZE) > 0
            throw isSent ? .lost(reason) : .notSent(reason)
        }
    }

    /// Gives what came to a transfer; libcurl ends one that takes less than it was given.
    private static func give(
        _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, to context: UnsafeMutableRawPointer?,
        _ take: (Transfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return take(transfer, UnsafeRawBufferPointer(start: bytes, count: size)) ? size : 0
    }

    private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        isTooLarge = body.count + bytes.count > limits.body
        if !isTooLarge { body.append(contentsOf: bytes) }
        return !isTooLarge
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        headerSize += bytes.count
        isTooLarge = headerSize > limits.headers
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // Another answer begins: the one before it was an interim one.
            headers = []
            hasAllHeaders = false
        } else if line == "\r\n" || line == "\n" {
            hasAllHeaders = true
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace)
            headers.append((line[..<colon].lowercased(), value.joined(separator: " ")))
        }
        return !isTooLarge
    }
}
