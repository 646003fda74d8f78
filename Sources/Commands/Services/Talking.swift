import Connectors
import Events
import JSONText
import Ledger
import Projector

extension Session {
    /// Appends events that name each other by seq, told the seq that the first one will have.
    func append(expecting: [StreamName: Seq], _ events: (Seq) -> [NewEvent]) throws {
        appended.append(try writer().append(expecting: expecting, events))
    }

    /// The seq that the read models stand at, brought up to date.
    func caughtUpSeq() throws -> Seq {
        try catchUp()
        return projector.checkpoint()?.seq ?? 0
    }

    /// Tells the person at the terminal something about the work that goes on.
    func note(_ text: String) {
        progress.finish()
        if !globals.quiet { Output.note("note: \(text)") }
    }

    /// Talks to services; what one of them says about being closed for long is written down.
    func talking<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch {
            progress.finish()
            if let limit = error as? ServiceError, limit.code == .limited, limit.status != 0,
                let until = limit.untilMS
            {
                var data: [(String, JSON)] = [
                    ("until", .text(ISOTime.text(until))), ("status", JSON(max(100, limit.status))),
                    (
                        "base",
                        .text(try settings.base(limit.service == "spotify" ? .spotify : .lastfm))
                    ),
                ]
                if let group = limit.group { data.append(("group", .text(group))) }
                if let reason = limit.reason { data.append(("reason", .text(reason))) }
                try append(
                    [
                        NewEvent(
                            .connectorLimited, on: try streamName("connector:\(limit.service)"),
                            .object(data))
                    ], expecting: [:])
            }
            try? finish()
            throw error
        }
    }
}
