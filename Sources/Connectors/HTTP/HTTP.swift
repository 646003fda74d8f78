package import JSONText
public import Ledger

/// A call of a service, before the policy decides when it goes out.
public struct HTTPRequest: Sendable {
    /// What may be done when no answer came, or none that tells whether the call was carried out.
    public enum Repeat: Sendable {
        /// It changes nothing, or twice is as once: the policy sends it again.
        case safely
        /// Twice would be two: the caller must ask the service first. Ends in ``ServiceError/Code/uncertain``.
        case afterVerifying
    }

    public var method: String
    /// The absolute address, query included.
    public var url: String
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]?
    public var repeats: Repeat

    /// Describes a call.
    public init(
        _ method: String = "GET", _ url: String, headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil, repeats: Repeat = .safely
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.repeats = repeats
    }
}

/// What a service answered: any status, a body within bounds, whole.
public struct HTTPResponse: Sendable {
    public var status: Int
    /// Names in lower case.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    /// Takes an answer.
    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A header's value; the name in lower case.
    public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

extension [UInt8] {
    /// Reads fields of a JSON text, whatever white space stands before it; finds none in other texts.
    package func read<R>(_ body: (JSONValue) throws -> R) rethrows -> R {
        try withUnsafeBufferPointer { bytes in
            let start = bytes.firstIndex { $0 > 0x20 } ?? bytes.count
            return try body(JSONValue(bytes.part(start..<bytes.count)))
        }
    }
}

/// What an answer means to the policy; each service's client says so from the body first.
public enum Verdict: Sendable {
    /// The answer is what was asked for, or a fault that the client itself tells its caller.
    case done
    /// A fault that passes: sent again after a growing pause with jitter.
    case passing(reason: String)
    /// Too many calls. Short waits are waited for; long ones become ``ServiceError/Code/limited``.
    /// - quota: The service's word for a quota that is used up, which is never waited for; nil for a rate.
    case limited(quota: String?)
    /// The log-in is not accepted: refreshed once, repeated once, then ``ServiceError/Code/notAllowed``.
    case unauthorised(reason: String)
    /// It cannot be: thrown as it is.
    case failed(ServiceError)

    /// What a status means by itself.
    ///
    /// - Parameters:
    ///   - said: The service's own words for it.
    ///   - meanings: Of the statuses that this service uses; one not allowed (403) is as 401.
    static func plain(
        _ response: HTTPResponse, of service: String, said: String?,
        _ meanings: [Int: (code: ServiceError.Code, remedy: String)]
    ) -> Verdict {
        let (status, said) = (response.status, said ?? "status \(response.status)")
        switch status {
        case 200...299: return .done
        case 429: return .limited(quota: nil)
        case 408, 500...: return .passing(reason: said)
        default:
            let meaning = meanings[status == 403 ? 401 : status]
            return .failed(
                ServiceError(
                    code: meaning?.code ?? .refused, service: service,
                    message: "\(service) did not do it: \(said.prefix(200))",
                    remedy: meaning?.remedy ?? "check the base URL.", status: status))
        }
    }
}

/// Why a service did not do what was asked, and what to do about it.
public struct ServiceError: Error, Hashable, Sendable {
    /// What kind of refusal it is; its raw value is printed and stays stable.
    public enum Code: String, Hashable, Sendable {
        /// It does not answer, or goes on failing (69).
        case unavailable = "service-unavailable"
        /// It asks to wait for long (75); `untilMS` says until when.
        case limited = "rate-limited"
        /// Not logged in, log-in ended, or not allowed (77).
        case notAllowed = "not-allowed"
        /// It has no such thing (66).
        case notFound = "not-found"
        /// It calls what was asked for wrong (65).
        case refused = "refused-by-service"
        /// It calls the way we asked wrong (70).
        case misused = "misused-service"
        /// Its answer cannot be read, or is larger than what is taken (65).
        case malformed = "malformed-answer"
        /// No answer came to a call that must not be repeated blindly: it may have been carried out (75).
        case uncertain = "uncertain"
        /// A setting is missing or wrong (78).
        case configuration = "bad-configuration"
    }

    public let code: Code
    /// `spotify`, `lastfm`, …
    public let service: String
    public let message: String
    /// The next thing to do, in words a user can follow.
    public let remedy: String
    /// The service's own word or number for it, where it has one: `QUOTA_EXCEEDED`, `17`, `invalid_grant`.
    public var reason: String?
    /// The HTTP status that came; 0 for none.
    public var status = 0
    /// For ``Code/limited``: when the service may be asked again, in milliseconds since 1970.
    public var untilMS: Milliseconds?
    /// For ``Code/limited``: the group of endpoints that is closed; nil for the whole service.
    public var group: String?
}

/// A service that is closed until some time, as an earlier answer said; remembered across runs.
public struct ServiceLimit: Hashable, Sendable {
    public let service: String
    /// The base URL that said so; another one is not meant.
    public let base: String
    /// Nil for the whole service.
    public let group: String?
    public let untilMS: Milliseconds

    /// Takes a limit.
    public init(service: String, base: String, group: String?, untilMS: Milliseconds) {
        self.service = service
        self.base = base
        self.group = group
        self.untilMS = untilMS
    }
}
