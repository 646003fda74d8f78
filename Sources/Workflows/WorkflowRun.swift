import Events
public import JSONText
public import Ledger
import Music

/// How a run of a workflow ended.
public struct WorkflowOutcome: Sendable {
    /// Rows of the list that was written last, or of the last list if none was.
    public fileprivate(set) var count = 0
    /// The playlist that was written last.
    public fileprivate(set) var playlist: String?
    /// What a dry run would have fetched or written, in order.
    public fileprivate(set) var left: [(text: String, json: JSON)] = []
}

/// A run of a workflow: each node once, one behind the other, each written down.
public struct WorkflowRun {
    private let plan: WorkflowPlan
    private let world: any WorkflowWorld
    private let startedAtMS: Milliseconds
    private let isDry: Bool
    private let append: (EventKind, JSON) throws -> Void
    private var outcome = WorkflowOutcome()
    /// What each task gives to those behind it: a list, the names of the sources in it, and the playlist
    /// that has just these rows because the task wrote it.
    private var made: [String: (list: TrackList, sources: [String], playlist: String?)] = [:]

    /// Runs a workflow to its end.
    ///
    /// - Parameters:
    ///   - stream: The run's own, `workflow:<run>`.
    ///   - seed: What randomness is drawn from.
    ///   - startedAtMS: The one moment that `{date}` and `{time}` tell, in UTC.
    ///   - isDry: Whether nothing is appended, fetched or written.
    /// - Throws: What a node threw; `workflow.failed` is appended before.
    public static func run(
        _ plan: WorkflowPlan, in world: any WorkflowWorld, on stream: StreamName, seed: Int64,
        startedAtMS: Milliseconds, isDry: Bool
    ) async throws -> WorkflowOutcome {
        var run = WorkflowRun(plan: plan, world: world, startedAtMS: startedAtMS, isDry: isDry) {
            kind, data in
            if !isDry { try world.append([NewEvent(kind, on: stream, data)]) }
        }
        // Nothing is appended to a log that cannot be folded.
        _ = try world.refresh()
        let parameters = plan.parameters.sorted { $0.key < $1.key }.map { ($0, JSON($1)) }
        try run.append(
            .workflowStarted,
            [
                "workflow": .raw(plan.workflow.text), "parameters": .object(parameters),
                "seed": .integer(seed),
            ])
        for step in plan.steps {
            do { try await run.apply(step) } catch {
                // What went wrong first is what the caller must hear.
                try? run.append(
                    .workflowFailed,
                    ["node": .text(step.task.id), "reason": .text(world.words(for: error))])
                throw error
            }
        }
        let (count, playlist) = (run.outcome.count, run.outcome.playlist)
        try run.append(
            .workflowFinished,
            .known(["count": JSON(count), "playlist": playlist.map { .text($0) }]))
        return run.outcome
    }

    private mutating func apply(_ step: WorkflowPlan.Step) async throws {
        let kind = step.kind
        let before = step.task.upstream.compactMap { made[$0] }
        let list = TrackList(before.flatMap(\.list.rows))
        let selection = kind.dropsUnavailable ? list.keepingAvailable() : list.keepingAll()
        var sources = before.flatMap(\.sources)
        var node = NodeWork(
            world: world, list: list, config: config(step, selection.out.count, sources),
            selection: selection, playlist: before.count == 1 ? before[0].playlist : nil)
        var seq = try world.refresh()
        switch kind.category {
        case "source":
            try await kind.apply(&node)
            (sources, seq) = ([node.source?.name ?? ""], node.source?.seq ?? seq)
        case "enrich", "write":
            if isDry { leave(step, node) } else { try await kind.apply(&node) }
            if isDry && kind.writesPlaylist { node.playlist = nil }
        default:
            node.playlist = nil
            try await kind.apply(&node)
            // All that a node sees is one state of the ledger, though others go on beside it.
            while case let now = try world.readSeq, now != seq {
                (seq, node.measured) = (now, [])
                try await kind.apply(&node)
            }
        }
        let out = node.out
        let isSource = node.source != nil
        let metrics = node.measured.map {
            ($0.metric.rawValue, JSON.array($0.values.map { $0?.json ?? .null }))
        }
        let dropped = node.selection.dropped.map {
            ["position": JSON($0.index + 1), "reason": .text($0.reason)] as JSON
        }
        let record = JSON.known([
            "node": .text(step.task.id), "type": .text(kind.type), "config": node.config,
            "read_seq": .integer(seq), "upstream": .array(step.task.upstream.map { .text($0) }),
            "count_in": JSON(list.rows.count),
            "out": isSource ? nil : .array(node.selection.out.map { JSON($0 + 1) }),
            "rows": isSource ? .array(out.rows.map(\.json)) : nil,
            "metrics": metrics.isEmpty ? nil : .object(metrics),
            "dropped": dropped.isEmpty ? nil : .array(dropped),
        ])
        try append(.transformApplied, record)
        made[step.task.id] = (out, sources, node.playlist)
        if kind.writesPlaylist || outcome.playlist == nil { outcome.count = out.rows.count }
        if kind.writesPlaylist { outcome.playlist = node.playlist }
    }

    private mutating func leave(_ step: WorkflowPlan.Step, _ node: NodeWork) {
        let texts = node.config.members.compactMap { name, value in
            value.string.map { "\(name) '\($0)'" }
        }
        let count = node.out.rows.count
        let json: JSON = [
            "node": .text(step.task.id), "type": .text(step.kind.type), "config": node.config,
            "count": JSON(count),
        ]
        let text = "\(step.kind.type) \(texts.joined(separator: ", ")): \(count) rows"
        outcome.left.append((text, json))
    }

    /// A step's configuration with defaults and parameters, filled in for so many rows that go out.
    private func config(_ step: WorkflowPlan.Step, _ count: Int, _ sources: [String]) -> JSON {
        let text = ISOTime.text(startedAtMS)
        let names = sources.indices.filter { sources.firstIndex(of: sources[$0]) == $0 }
        let words = [
            "date": String(text.prefix(10)), "time": String(text.dropFirst(11).prefix(5)),
            "count": String(count), "workflow": plan.workflow.name,
            "source": names.map { sources[$0] }.joined(separator: " + "),
        ]
        return .object(
            step.kind.fields.compactMap { field in
                let given = step.task.json["config"]?[field.name].flatMap { given in
                    field.kind.filled(given) { name in
                        (field.kind.isTemplate ? words[name] : nil) ?? plan.parameters[name] ?? nil
                    }
                }
                return (given ?? field.value).map { (field.name, $0) }
            })
    }
}

extension TrackRow {
    /// The row as events write it.
    fileprivate var json: JSON {
        .known([
            "uri": JSON(uri), "title": title.map { .text($0) },
            "artists": artists.isEmpty ? nil : .array(artists.map { .text($0) }),
            "added_at": addedAtMS.map { .text(ISOTime.text($0)) },
        ])
    }
}

extension MetricValue {
    fileprivate var json: JSON {
        switch self {
        case .integer(let number): .integer(number)
        case .text(let text): .text(text)
        }
    }
}
