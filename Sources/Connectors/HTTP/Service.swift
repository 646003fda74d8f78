private import CCurl
private import JSONText
public import Ledger
private import Synchronization

/// How time passes for a policy; tests have one in which nobody waits.
public struct Pace: Sendable {
    /// Time since any moment, never going back.
    public var now: @Sendable () -> Duration
    /// Waits.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// Whether the spacing of requests to a loopback address is left out (`NARADA_PACE=off`).
    public var isOff: Bool

    /// The machine's time.
    public init(isOff: Bool = false) {
        let start = ContinuousClock.now
        now = { ContinuousClock.now - start }
        sleep = { try await Task.sleep(for: $0) }
        self.isOff = isOff
    }
}

/// What differs between services: how often they may be called and what their answers mean.
public struct ServiceManner: Sendable {
    /// The time from one request to the next that reads, and to the next that writes.
    public var spacing: (reads: Duration, writes: Duration)
    /// Seconds to wait when it says that these were too many, but not until when; one after the other.
    public var blindWaits: [Int64]
    /// Seconds it is left alone when those did not help; the last ones when it has said so lately.
    public var blindLimits: [Int64]
    /// The least seconds to wait, also where it says 0.
    public var leastWait: Int64 = 1
    /// The group of endpoints that a quota of a request closes; nil for the whole service.
    public var group: @Sendable (HTTPRequest) -> String? = { _ in nil }
    /// Reads an answer, the body before the status.
    public var judge: @Sendable (HTTPResponse) -> Verdict
}

/// A service as everything else calls it: one policy for pace, waiting, repeating and giving up.
///
/// What is safe to repeat is sent again after passing faults; a call that is not
/// (``HTTPRequest/Repeat/afterVerifying``) is sent again only if nothing of it was sent or the answer
/// refused it, and else ends in ``ServiceError/Code/uncertain``.
public final class Service: Sendable {
    /// Sends one request once.
    public typealias Transport = @Sendable (HTTPRequest) async throws -> HTTPResponse
    /// Gives the token to send; another one if that which it gave was rejected.
    public typealias TokenSource = @Sendable (_ rejected: String?) async throws -> String
    /// Takes a line for the person at the terminal; `isWait` if it explains why nothing happens for long.
    public typealias Trace = @Sendable (_ line: String, _ isWait: Bool) -> Void

    /// The name in settings and events, such as `spotify`.
    public let name: String
    /// The name as people spell it.
    public let title: String
    /// What every address it is asked for begins with.
    public let base: String
    public let clock: Clock
    let pace: Pace

    private let transport: Transport
    private let manner: ServiceManner
    private let token: TokenSource?
    private let isPaced: Bool
    private let trace: Trace?
    private let gate: Gate

    /// Takes a service.
    ///
    /// - Parameters:
    ///   - limits: What earlier runs were told; those of other services and bases do not matter.
    ///   - token: Where a bearer token comes from; nil to send none.
    public init(
        _ name: String, title: String, base: String, manner: ServiceManner,
        over transport: @escaping Transport, clock: Clock, pace: Pace = Pace(),
        limits: [ServiceLimit] = [], token: TokenSource? = nil, trace: Trace? = nil
    ) {
        self.name = name
        self.title = title
        self.base = base
        self.clock = clock
        self.transport = transport
        self.manner = manner
        self.token = token
        self.pace = pace
        isPaced = !(pace.isOff && Origin(base)?.isLoopback == true)
        self.trace = trace
        gate = Gate(pace, limits.filter { $0.service == name && $0.base == base })
    }

    /// Sends a request whose answer is JSON; gives the text, checked and within bounds.
    ///
    /// - Throws: ``ServiceError``, or `CancellationError`.
    public func json(_ request: HTTPRequest) async throws -> [UInt8] {
        try await send(request, wantsJSON: true).body
    }

    /// An error of this service.
    public func error(
        _ code: ServiceError.Code, _ message: String, remedy: String, status: Int = 0
    ) -> ServiceError {
        ServiceError(code: code, service: name, message: message, remedy: remedy, status: status)
    }

    /// Waits, for something that shows late; hardly at all where nothing is spaced.
    public func pause(_ seconds: Int) async throws {
        try await pace.sleep(isPaced ? .seconds(seconds) : .seconds(seconds) / 20)
    }

    /// Sends a request and takes the answer that was asked for, whatever its body if that need not be JSON.
    ///
    /// - Throws: ``ServiceError``, or `CancellationError`.
    func send(_ request: HTTPRequest, wantsJSON: Bool = false) async throws -> HTTPResponse {
        precondition(request.url.hasPrefix(base), "an address of another service")
        var counts = Counts()
        while true {
            try checkLimits(request)
            var sent = request
            if let token {
                let value = try await token(counts.rejected)
                sent.headers.append(("authorization", "Bearer " + value))
                counts.token = value
            }
            counts.attempts += 1
            let result = try await exchange(sent, attempt: counts.attempts)
            switch next(after: result, to: request, wantsJSON: wantsJSON, &counts) {
            case .give(let response): return response
            case .fail(let error): throw error
            case .again(let wait, let why, let everybody):
                if wait >= .milliseconds(1) {
                    trace?("\(title): \(why); waiting \(seconds(wait)) s", wait >= .seconds(5))
                }
                if everybody { gate.close(for: wait) } else { try await pace.sleep(wait) }
            }
        }
    }

    private func exchange(
        _ request: HTTPRequest, attempt: Int
    ) async throws -> Result<HTTPResponse, TransportFault> {
        let isRead = request.method == "GET"
        let spacing = isRead ? manner.spacing.reads : manner.spacing.writes
        let waited = try await gate.enter(spacing: isPaced ? spacing : .zero)
        defer { gate.leave() }
        let start = pace.now()
        let result: Result<HTTPResponse, TransportFault>
        do { result = .success(try await transport(request)) } catch let fault as TransportFault {
            result = .failure(fault)
        }
        // Some say beforehand that the next call would be one too many.
        if case .success(let response) = result, let wait = resetIn(response),
            response.header("x-ratelimit-remaining") == "0"
        {
            gate.close(for: .seconds(min(wait, 60)))
        }
        if let trace {
            let outcome =
                switch result {
                case .success(let response): "\(response.status) \(response.body.count) bytes"
                case .failure(let fault): "\(fault)"
                }
            var line = "\(request.method) \(redacted(request.url)) \(outcome)"
            line += " \((pace.now() - start).milliseconds) ms"
            if attempt > 1 { line += ", attempt \(attempt)" }
            if waited >= .milliseconds(1) { line += ", paced \(waited.milliseconds) ms" }
            trace(line, false)
        }
        return result
    }

    // MARK: Deciding

    /// What happened to one call so far.
    private struct Counts {
        var attempts = 0
        var faults = 0
        var blind = 0
        var told = 0
        var garbled = 0
        var token: String?
        var rejected: String?
    }

    private enum Step {
        case give(HTTPResponse)
        case fail(ServiceError)
        case again(after: Duration, why: String, everybody: Bool)
    }

    /// The policy: what comes after an answer or a fault.
    private func next(
        after result: Result<HTTPResponse, TransportFault>, to request: HTTPRequest,
        wantsJSON: Bool, _ counts: inout Counts
    ) -> Step {
        let mayRepeat = request.repeats == .safely
        switch result {
        case .failure(.refused(let why)):
            return fail(.configuration, why)
        case .failure(.notSent(let why)): return passing(why, nil, &counts)
        case .failure(.lost(let why)):
            return mayRepeat ? passing(why, nil, &counts) : fail(.uncertain, why)
        case .failure(.unusable(let why)):
            return fail(mayRepeat ? .malformed : .uncertain, why)
        case .success(let response):
            switch manner.judge(response) {
            case .failed(let error): return .fail(error)
            case .limited(let quota): return limited(quota, response, request, &counts)
            case .unauthorised(let reason): return unauthorised(reason, response.status, &counts)
            case .passing(let why):
                return mayRepeat
                    ? passing(why, response, &counts) : fail(.uncertain, why, response.status)
            case .done where !wantsJSON: return .give(response)
            case .done: return checked(response, mayRepeat, &counts)
            }
        }
    }

    private func passing(_ why: String, _ response: HTTPResponse?, _ counts: inout Counts) -> Step {
        let asked = response.flatMap { retryAfter($0) } ?? 0
        guard counts.faults < 4, asked <= 60 else {
            return fail(.unavailable, why, response?.status ?? 0)
        }
        let pause = Duration.seconds(1 << counts.faults) * Double.random(in: 0.75...1.25)
        counts.faults += 1
        return .again(
            after: max(isPaced ? pause : pause / 20, .seconds(asked)), why: why, everybody: false)
    }

    private func limited(
        _ quota: String?, _ response: HTTPResponse, _ request: HTTPRequest, _ counts: inout Counts
    ) -> Step {
        let asked = retryAfter(response) ?? resetIn(response)
        if quota == nil {
            let blind = isPaced ? manner.blindWaits : [1, 2, 4]
            var wait: Int64?
            if let asked, asked <= 60, counts.told < 8 {
                counts.told += 1
                wait = max(isPaced ? manner.leastWait : 1, asked)
            } else if asked == nil, counts.blind < blind.count {
                wait = blind[counts.blind]
                counts.blind += 1
            }
            if let wait {
                return .again(after: .seconds(wait), why: "too many requests", everybody: true)
            }
        }
        let now = clock.now
        let group = quota == nil ? nil : manner.group(request)
        // A quota that does not say when is asked about once an hour at most.
        let isRecent = gate.limits.contains { $0.untilMS > now - 900_000 }
        let blind = (isRecent ? manner.blindLimits.last : manner.blindLimits.first) ?? 300
        let until = now + (asked ?? (quota == nil ? blind : 3600)) * 1000
        gate.remember(ServiceLimit(service: name, base: base, group: group, untilMS: until))
        return .fail(closed(until, group, quota, response.status))
    }

    private func unauthorised(_ reason: String, _ status: Int, _ counts: inout Counts) -> Step {
        guard counts.rejected == nil, let token = counts.token else {
            return fail(.notAllowed, reason, status)
        }
        counts.rejected = token
        return .again(after: .zero, why: reason, everybody: false)
    }

    private func checked(
        _ response: HTTPResponse, _ mayRepeat: Bool, _ counts: inout Counts
    ) -> Step {
        var response = response
        if response.body.starts(with: [0xEF, 0xBB, 0xBF]) { response.body.removeFirst(3) }
        // The bound of one value is for a row, not for a page of them.
        let bounds = JSONBounds(value: response.body.count)
        do {
            try response.body.withUnsafeBufferPointer { (bytes) throws(JSONFault) in
                try JSONValidator.check(bytes, bounds: bounds)
            }
            return .give(response)
        } catch {
            let why = "its answer is not JSON within bounds: \(error)"
            counts.garbled += 1
            guard mayRepeat, counts.garbled < 3 else {
                return fail(mayRepeat ? .malformed : .uncertain, why, response.status)
            }
            return .again(
                after: isPaced ? .seconds(1) : .milliseconds(50), why: why, everybody: false)
        }
    }

    /// The policy's own refusals.
    private func fail(_ code: ServiceError.Code, _ why: String, _ status: Int = 0) -> Step {
        let (what, remedy) =
            switch code {
            case .configuration:
                (
                    "cannot be called at \(base)",
                    "check the base URL and this machine's clock and certificates."
                )
            case .unavailable: ("does not answer as it should", "try again later.")
            case .notAllowed:
                ("does not accept the log-in", "log in again with `narada-cmd login \(name)`.")
            case .uncertain: ("may have done it or not", "run it again; it looks first.")
            default: ("gave what cannot be used", "try again later; if it stays so, report it.")
            }
        return .fail(error(code, "\(title) \(what): \(why)", remedy: remedy, status: status))
    }

    // MARK: Limits

    private func checkLimits(_ request: HTTPRequest) throws {
        let now = clock.now
        let group = manner.group(request)
        let closed = gate.limits.filter {
            $0.untilMS > now && ($0.group == nil || $0.group == group)
        }
        if let limit = closed.max(by: { $0.untilMS < $1.untilMS }) {
            throw self.closed(limit.untilMS, limit.group, nil, 0)
        }
    }

    private func closed(
        _ until: Milliseconds, _ group: String?, _ quota: String?, _ status: Int
    ) -> ServiceError {
        // Up to the next whole minute: who comes back at the time that was read is not too early.
        let time = ISOTime.text(until + 59_999, fraction: false)
        return ServiceError(
            code: .limited, service: name,
            message:
                "\(title) asks to wait until \(time.prefix(10)) \(time.dropFirst(11).prefix(5)) UTC"
                + (group.map { " with calls of \($0)" } ?? ""),
            remedy: "run it again then.", reason: quota, status: status, untilMS: until,
            group: group)
    }

    /// The seconds until more calls are free, in ListenBrainz's words.
    private func resetIn(_ response: HTTPResponse) -> Int64? {
        response.header("x-ratelimit-reset-in").flatMap { Int64($0) }
    }

    /// The seconds that an answer asks to wait for, as a number or as a date; nil if it does not say.
    private func retryAfter(_ response: HTTPResponse) -> Int64? {
        guard let text = response.header("retry-after") else { return nil }
        if let seconds = Int64(text) { return min(max(0, seconds), 366 * 86_400) }
        let date = curl_getdate(text, nil)
        return date < 0 ? nil : max(0, Int64(date) - clock.now / 1000)
    }
}

/// Lets two requests at a time in, spaced; remembers what is closed.
private final class Gate: Sendable {
    private struct State {
        var free = 2
        var waiting: [CheckedContinuation<Void, Never>] = []
        /// When the next request may begin.
        var opens = Duration.zero
        var limits: [ServiceLimit]
    }
    private let state: Mutex<State>
    private let pace: Pace

    init(_ pace: Pace, _ limits: [ServiceLimit]) {
        self.pace = pace
        state = Mutex(State(limits: limits))
    }

    var limits: [ServiceLimit] { state.withLock { $0.limits } }

    func remember(_ limit: ServiceLimit) { state.withLock { $0.limits.append(limit) } }

    func close(for wait: Duration) {
        let opens = pace.now() + wait
        state.withLock { $0.opens = max($0.opens, opens) }
    }

    /// Waits for a place and for the time; gives the time waited for.
    func enter(spacing: Duration) async throws -> Duration {
        await withCheckedContinuation { continuation in
            let hasPlace = state.withLock { state in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if hasPlace { continuation.resume() }
        }
        let start = pace.now()
        do {
            while true {
                try Task.checkCancellation()
                let now = pace.now()
                let wait = state.withLock { state in
                    guard state.opens <= now else { return state.opens - now }
                    state.opens = now + spacing
                    return Duration.zero
                }
                guard wait > .zero else { return now - start }
                try await pace.sleep(wait)
            }
        } catch {
            leave()
            throw error
        }
    }

    func leave() {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

/// An address without what must not be seen.
func redacted(_ url: String) -> String {
    let secrets = [
        "api_key", "api_sig", "sk", "token", "code", "code_verifier", "refresh_token",
        "access_token", "client_secret", "state",
    ]
    guard let mark = url.firstIndex(of: "?") else { return url }
    let query = url[url.index(after: mark)...].split(separator: "&").map { field in
        let name = field.prefix { $0 != "=" }
        return secrets.contains(String(name)) ? name + "=…" : field
    }
    return url[...mark] + query.joined(separator: "&")
}

private func seconds(_ duration: Duration) -> String {
    let milliseconds = duration.milliseconds
    return milliseconds >= 1000 ? "\((milliseconds + 500) / 1000)" : "0.\(milliseconds / 100)"
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
