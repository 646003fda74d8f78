/// Why a file from outside cannot be taken in.
public struct ExportError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// What is there is not what it should be, or goes past a bound.
        case malformed = "bad-input"
        /// There is no such file, or nothing in it that can be imported.
        case missing = "no-input"
        /// The operating system cannot read it.
        case unreadable = "io-error"
    }

    public let code: Code
    public let message: String
    public let remedy: String

    /// Names a failure.
    public init(_ code: Code, _ message: String, remedy: String) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    public var description: String { "\(message); \(remedy)" }
}
