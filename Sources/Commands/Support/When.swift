import ArgumentParser
import Ledger

/// A moment as people name it: RFC 3339, a date, a seq, or so long ago.
struct When: ExpressibleByArgument, Sendable {
    private enum Form {
        case seq(Seq)
        case time(Milliseconds)
        case date(Milliseconds)
        case ago(Int, Character)
    }
    private let form: Form
    let text: String

    init?(argument: String) {
        text = argument
        if let seq = Seq(argument), seq >= 0 {
            form = .seq(seq)
        } else if let time = ISOTime.parse(argument) {
            form = .time(time)
        } else if let date = ISOTime.parseDate(argument) {
            form = .date(date)
        } else {
            let unit = argument.hasSuffix("mo") ? "M" : argument.last ?? " "
            let digits = argument.dropLast(argument.hasSuffix("mo") ? 2 : 1)
            guard let count = Int(digits), count >= 0, count < 100_000, "hdwMy".contains(unit)
            else { return nil }
            form = .ago(count, unit)
        }
    }

    /// How long `12h`, `3d`, `2w` or `6mo` is, in milliseconds; nil for a text that is no span.
    static func spanMS(_ text: String) -> Milliseconds? {
        guard let when = When(argument: text), case .ago = when.form else { return nil }
        return when.time(now: 0, end: false).map { -$0 }
    }

    /// The moment in milliseconds; nil for a seq.
    ///
    /// - Parameter end: Whether a date means its end instead of its beginning.
    private func time(now: Milliseconds, end: Bool) -> Milliseconds? {
        let day: Milliseconds = 86_400_000
        switch form {
        case .seq: return nil
        case .time(let time): return time
        case .date(let date): return end ? date + day - 1 : date
        case .ago(let count, let unit):
            let length: [Character: Milliseconds] = [
                "h": 3_600_000, "d": day, "w": 7 * day, "M": 30 * day, "y": 365 * day,
            ]
            return now - Int64(count) * (length[unit] ?? day)
        }
    }

    /// The moment in milliseconds; of a seq the one at which it was recorded.
    func time(in session: Session, end: Bool) throws -> Milliseconds {
        try time(now: session.clock.now, end: end) ?? session.ledger.time(of: seq(in: session))
    }

    /// The last event that was known then.
    ///
    /// - Throws: Exit 64 for a seq that the log does not have.
    func seq(in session: Session) throws -> Seq {
        guard case .seq(let seq) = form else {
            return try session.ledger.seq(at: time(now: session.clock.now, end: true) ?? .max)
        }
        let end = try session.ledger.seq(at: .max)
        try require(
            seq <= end,
            .usage("--as-of \(seq) is past the end of the log", hint: "the last event is \(end)."))
        return seq
    }
}
