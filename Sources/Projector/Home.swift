import Ledger

/// Where one person's Narada lives: `ledger/` is the truth, `narada.db` can be made again from it.
public struct Home: Sendable {
    public let path: String
    public var ledgerPath: String { path + "/ledger" }
    public var databasePath: String { path + "/narada.db" }
    var lockPath: String { path + "/projector.lock" }

    /// Names a home; it need not exist yet.
    public init(_ path: String) { self.path = path }
}

/// Why a read model cannot be had, and what to do.
public struct ProjectorError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// Another projector is writing, or a reader does not let go.
        case busy = "database-busy"
        /// The database cannot be read or written.
        case io = "database-error"
        /// An event cannot be folded, or was written by a newer Narada.
        case unreadable = "event-unreadable"
    }

    public let code: Code
    public let message: String
    public let remedy: String

    public var description: String { "\(message); \(remedy)" }
}
