/// What went wrong with the log, and what its owner can do.
public struct LedgerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; its raw value is printed and stays stable.
    public enum Code: String, Hashable, Sendable {
        /// No ledger is where one was looked for.
        case noLedger = "no-ledger"
        /// `FORMAT` cannot be read, or asks for a newer Narada.
        case formatUnknown = "format-unknown"
        /// Bytes that were written whole are not as they were written.
        case damaged = "ledger-damaged"
        /// Events that were acknowledged are missing.
        case dataLost = "acknowledged-data-lost"
        /// `HEAD` or a read model belongs to another history.
        case otherHistory = "other-history"
        /// Somebody else is writing.
        case busy = "ledger-busy"
        /// A stream that a decision stood on has changed since.
        case conflict = "stream-changed"
        /// An event or a commit is larger than the format allows.
        case tooLarge = "too-large"
        /// The operating system refused.
        case io = "io-error"
    }

    public let code: Code
    /// What happened, where, with figures.
    public let message: String
    /// The next thing to do, in words a user can follow.
    public let remedy: String
    /// The `errno` of the operating system, 0 if none was involved.
    public let errno: Int32

    /// Names a failure.
    public init(_ code: Code, _ message: String, remedy: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.remedy = remedy
        self.errno = errno
    }

    public var description: String { "\(message); \(remedy)" }
}
