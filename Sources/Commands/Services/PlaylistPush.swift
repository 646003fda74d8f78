import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

/// Makes a playlist of Spotify's what the local one is, by as few calls as its rules allow.
///
/// The intention is written down before the first call and settled after the last. Whatever a call's answer
/// was, the list is read again and the rest planned from what is there, so no call is repeated blindly.
final class PlaylistPush {
    /// What a push did, or in a dry run would do.
    struct Report {
        let playlist: FoundPlaylist
        var uri: String?
        var count = 0
        var writes = 0
        var plan: [PushPlan.Write] = []
        /// Local rows that Spotify cannot be given.
        var cannot: [(position: Int, uri: String?)] = []

        var cannotJSON: JSON {
            .array(cannot.map { ["position": JSON($0.position), "uri": JSON($0.uri)] })
        }
    }

    private static let rounds = 8

    private static func id(_ uri: String) -> String { String(uri.dropFirst(17)) }

    private let session: Session
    private let fetch: SpotifyFetch
    private var client: SpotifyClient { fetch.client }
    private let isForced: Bool
    private let isDryRun: Bool
    private var intention: Seq?
    /// States of the service's list that were left behind; a read that shows one is late.
    private var past: Set<String> = []
    private var latest: String?

    init(_ session: Session, force: Bool = false, dryRun: Bool = false) throws {
        self.session = session
        fetch = try SpotifyFetch(session)
        isForced = force
        isDryRun = dryRun
    }

    /// The local list that is to be pushed.
    private struct Wanted {
        let playlist: FoundPlaylist
        let uris: [String?]
        let seq: Seq
        /// An intention that was never settled: its seq, its target, and playlists of that name from before.
        let open: (seq: Seq, target: String, known: Set<String>)?
    }

    private func wanted(_ reference: String) throws -> Wanted {
        let seq = try session.caughtUpSeq()
        return try session.projector.read { db in
            let found = try FoundPlaylist.find(reference, db)
            let intended: Seq? = try db.value(
                """
                SELECT max(id) >> 16 FROM outbox WHERE playlist_id = ? AND status = 'intended'
                """, found.id)
            let open = try intended.flatMap {
                try session.ledger.event($0) { line in
                    (
                        line.seq, line.data["to"]?.text ?? "",
                        Set((line.data["known"]?.elements ?? []).compactMap(\.text))
                    )
                }
            }
            return Wanted(
                playlist: found, uris: try found.rows(db).map(\.uri), seq: seq, open: open)
        }
    }

    /// Pushes a playlist.
    ///
    /// - Throws: `ServiceError`; exit 65 for a push that would empty the list or drop more than half of it.
    func push(_ reference: String) async throws -> Report {
        var report = Report(playlist: try wanted(reference).playlist)
        do {
            try await push(report.playlist.uri, &report)
        } catch {
            let shown = NaradaError(error)
            if let intention, shown.code != ServiceError.Code.uncertain.rawValue {
                try settle(
                    .pushFailed, report,
                    ["intended": .integer(intention), "reason": .text(shown.message)])
            }
            throw error
        }
        return report
    }

    private func push(_ reference: String, _ report: inout Report) async throws {
        var wanted = try wanted(reference)
        if let open = wanted.open, !isDryRun {
            if open.target == "spotify", wanted.playlist.linked == nil {
                // Whether the call arrived that was to make it is for Spotify to say.
                intention = open.seq
                if let made = try await find(wanted.playlist.name, besides: open.known) {
                    try link(wanted, to: made)
                }
            }
            try settle(
                .pushFailed, report,
                ["intended": .integer(open.seq), "reason": "it was interrupted"])
            wanted = try self.wanted(reference)
        }
        if wanted.playlist.linked == nil {
            guard !isDryRun else {
                report.plan = PushPlan(from: [], to: wanted.uris).writes
                report.writes = report.plan.count + 1
                return
            }
            try await create(wanted)
            report.writes += 1
            wanted = try self.wanted(reference)
        }
        guard let uri = wanted.playlist.linked else { return }
        report.uri = uri
        try await converge(uri, reference, wanted, &report)
    }

    // MARK: A new playlist

    private func create(_ wanted: Wanted) async throws {
        let name = wanted.playlist.name
        let known = try await mine().filter { $0.name == name }.map(\.uri)
        try intend(
            wanted,
            [
                "to": "spotify", "writes": 1, "name": .text(name),
                "known": .texts(known),
            ])
        var made: String?
        do {
            let answer = try await client.createPlaylist(
                name: name, description: wanted.playlist.description)
            made = answer.read { $0["uri"]?.text }
        } catch let error as ServiceError where error.code == .uncertain {
            made = try await find(name, besides: Set(known))
            if made == nil { throw error }
        }
        // The intention stays open until the rows are there too: the list does not follow a half-filled one.
        if let made { try link(wanted, to: made) }
    }

    private func link(_ wanted: Wanted, to uri: String) throws {
        try session.append([
            NewEvent(.playlistLinked, on: try wanted.playlist.stream, ["uri": .text(uri)])
        ])
    }

    /// Looks for a playlist of a name that was not there before; Spotify may be late to show it.
    private func find(_ name: String, besides known: Set<String>) async throws -> String? {
        for seconds in [0, 1, 2, 4] {
            try await client.service.pause(seconds)
            let found = try await mine().first { $0.name == name && !known.contains($0.uri) }
            if let found { return found.uri }
        }
        return nil
    }

    private func mine() async throws -> [(uri: String, name: String)] {
        var found: [(String, String)] = []
        var pages = client.pages("/me/playlists", [("limit", "50")])
        while let body = try await pages.next() {
            body.read { page in
                for row in page["items"]?.elements ?? [] {
                    if let uri = row["uri"]?.text { found.append((uri, row["name"]?.text ?? "")) }
                }
            }
        }
        return found
    }

    // MARK: The list

    private func converge(
        _ uri: String, _ reference: String, _ first: Wanted, _ report: inout Report
    ) async throws {
        var wanted = first
        for _ in 0..<Self.rounds {
            let (reading, facts) = try await freshReading(uri)
            let plan = PushPlan(from: reading.items.map(\.uri), to: wanted.uris)
            let description = wanted.playlist.description
            let renames =
                wanted.playlist.name != facts.name
                || description ?? facts.description != facts.description
            report.count = reading.items.count
            report.cannot = plan.cannotAdd.map { ($0 + 1, wanted.uris[$0]) }
            report.plan = plan.writes
            if plan.writes.isEmpty, !renames {
                if try complete(uri, reading, wanted, report) { return }
                wanted = try self.wanted(reference)  // Edited here meanwhile: that is wanted now.
                continue
            }
            try guardLoss(reading.items.count, wanted)
            guard !isDryRun else {
                report.writes = plan.writes.count + (renames ? 1 : 0)
                return
            }
            if intention == nil {
                try intend(
                    wanted,
                    [
                        "to": .text(uri), "writes": JSON(plan.writes.count),
                        "snapshot_id": .text(facts.snapshot ?? ""),
                    ])
            }
            if renames {
                try await client.change(
                    name: wanted.playlist.name, description: description, of: Self.id(uri))
                report.writes += 1
            }
            try await write(plan, uri, facts.snapshot, &report)
        }
        throw notSettled(wanted.playlist.name)
    }

    private func notSettled(_ name: String) -> NaradaError {
        NaradaError(
            .tryAgain, "not-settled", "Spotify still shows another list for '\(name)'",
            hint: "run it again.")
    }

    /// Makes the planned calls, until one of them leaves it open what became of it.
    private func write(
        _ plan: PushPlan, _ uri: String, _ snapshot: String?, _ report: inout Report
    ) async throws {
        latest = snapshot
        let id = Self.id(uri)
        for (index, write) in plan.writes.enumerated() {
            session.progress.show("changing the list", index, of: plan.writes.count)
            do {
                let next =
                    switch write {
                    case .remove(let uris):
                        try await client.remove(uris, from: id, snapshot: latest)
                    case .move(let from, let count, let before):
                        try await client.reorder(
                            from: from, count: count, before: before, in: id, snapshot: latest)
                    case .add(let uris, let at): try await client.add(uris, at: at, to: id)
                    }
                if let latest, latest != next { past.insert(latest) }
                latest = next
                report.writes += 1
            } catch let error as ServiceError where error.code == .uncertain {
                session.note("Spotify did not say what became of a call; reading the list again")
                if let latest { past.insert(latest) }
                latest = nil
                return
            }
        }
        session.progress.finish()
    }

    /// Reads the service's list, again while it shows a state that was left behind.
    private func freshReading(_ uri: String) async throws -> (ListReading, SpotifyFetch.Facts) {
        var read = try await fetch.reading(of: uri)
        for seconds in [1, 2, 4, 8] {
            guard let shown = read.1.snapshot, shown != latest, past.contains(shown) else { break }
            try await client.service.pause(seconds)
            read = try await fetch.reading(of: uri)
        }
        // Planned from an old state, the same rows would be added twice.
        if latest != nil, let shown = read.1.snapshot, shown != latest, past.contains(shown) {
            throw notSettled(read.1.name)
        }
        return read
    }

    private func guardLoss(_ count: Int, _ wanted: Wanted) throws {
        let left = wanted.uris.count
        try require(
            isForced || count == 0 || left > 0 && left * 2 >= count,
            .badInput(
                "this push would leave \(left) of \(count) rows of '\(wanted.playlist.name)' on Spotify",
                hint: "look at it with --dry-run; --force does it all the same."))
    }

    // MARK: The outbox

    private func intend(_ wanted: Wanted, _ data: JSON) throws {
        let stream = try wanted.playlist.stream
        intention = try session.append(
            [NewEvent(.pushIntended, on: stream, data)], expecting: [stream: wanted.seq])
    }

    private func settle(_ kind: EventKind, _ report: Report, _ data: JSON) throws {
        try session.append([NewEvent(kind, on: try report.playlist.stream, data)])
        intention = nil
    }

    /// Records the list as it is now and settles the intention; false if the local list was edited meanwhile.
    private func complete(
        _ uri: String, _ reading: ListReading, _ wanted: Wanted, _ report: Report
    ) throws -> Bool {
        guard !isDryRun else { return true }
        let stream = try wanted.playlist.stream
        if intention == nil {
            guard wanted.playlist.isDiverged else { return true }
            try intend(wanted, ["to": .text(uri), "writes": 0])
        }
        let completed = NewEvent(
            .pushCompleted, on: stream,
            [
                "intended": JSON(intention), "to": .text(uri), "writes": JSON(report.writes),
                "cannot": .numbers(report.cannot.map(\.position)),
            ])
        let standing = max(wanted.seq, intention ?? 0)
        do {
            // Rows that Spotify cannot hold stay here: the list then keeps its own rows.
            try fetch.close(
                reading, by: .spotifyPlaylistFetched, expecting: [stream: standing],
                around: report.cannot.isEmpty ? ([completed], []) : ([], [completed]))
        } catch let error as LedgerError where error.code == .conflict {
            return false
        }
        intention = nil
        return true
    }
}
