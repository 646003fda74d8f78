import Connectors
import Events
import Ledger
import Projections
import Projector

/// How a program ends, after sysexits. `docs/exit-codes.md` has the table.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    case usage = 64
    case badInput = 65
    case notFound = 66
    case unavailable = 69
    case bug = 70
    case io = 74
    case tryAgain = 75
    case notAllowed = 77
    case configuration = 78
    case interrupted = 130
}

/// What a command could not do, as it is printed: `error: what; how to fix it`.
struct NaradaError: Error {
    /// A stable word for programs.
    let code: String
    let message: String
    let hint: String
    let status: ExitStatus
    /// When it may be tried again, where a service said so.
    var until: Milliseconds?

    init(_ status: ExitStatus, _ code: String, _ message: String, hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status
    }

    static func usage(_ message: String, hint: String) -> NaradaError {
        NaradaError(.usage, "usage", message, hint: hint)
    }

    static func notFound(_ message: String, hint: String) -> NaradaError {
        NaradaError(.notFound, "not-found", message, hint: hint)
    }

    static func badInput(_ message: String, hint: String) -> NaradaError {
        NaradaError(.badInput, "bad-input", message, hint: hint)
    }

    static func configuration(_ message: String, hint: String) -> NaradaError {
        NaradaError(.configuration, "bad-configuration", message, hint: hint)
    }

    /// Turns what the modules throw into what is printed.
    init(_ error: any Error) {
        switch error {
        case let error as NaradaError: self = error
        case let error as LedgerError:
            let status: ExitStatus =
                switch error.code {
                case .noLedger: .notFound
                case .formatUnknown, .tooLarge: .badInput
                case .busy, .conflict: .tryAgain
                case .damaged, .dataLost, .otherHistory, .io: .io
                }
            self.init(status, error.code.rawValue, error.message, hint: error.remedy)
        case let error as ProjectorError:
            let status: ExitStatus =
                switch error.code {
                case .busy: .tryAgain
                case .io: .io
                case .unreadable: .badInput
                }
            self.init(status, error.code.rawValue, error.message, hint: error.remedy)
        case let error as ExportError:
            let status: ExitStatus =
                switch error.code {
                case .malformed: .badInput
                case .missing: .notFound
                case .unreadable: .io
                }
            self.init(status, error.code.rawValue, error.message, hint: error.remedy)
        case let error as ServiceError:
            let status: ExitStatus =
                switch error.code {
                case .unavailable: .unavailable
                case .limited, .uncertain: .tryAgain
                case .notAllowed: .notAllowed
                case .notFound: .notFound
                case .refused, .malformed: .badInput
                case .misused: .bug
                case .configuration: .configuration
                }
            self.init(status, error.code.rawValue, error.message, hint: error.remedy)
            until = error.untilMS
        case let error as UnreadableEvent:
            self.init(
                .badInput, ProjectorError.Code.unreadable.rawValue, error.description,
                hint: error.isNewer
                    ? "take a newer Narada; `narada log` goes on working." : "report it as a bug.")
        case let error as FoldError:
            self.init(
                .badInput, ProjectorError.Code.unreadable.rawValue, error.description,
                hint: "`narada log cat --from \(error.seq) --to \(error.seq)` shows the event.")
        default:
            self.init(.bug, "bug", "\(error)", hint: "this is a bug in Narada; please report it.")
        }
    }
}

/// Goes on only where something holds.
func require(_ holds: Bool, _ error: @autoclosure () throws -> NaradaError) throws {
    if !holds { throw try error() }
}

/// Throws where a value was to be, as in `try value ?? fail(…)`.
func fail<T>(_ error: NaradaError) throws -> T { throw error }
