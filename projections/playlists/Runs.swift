import Events
import JSONText
import Ledger

extension PlaylistsFold {
    /// Takes in what tells of runs of workflows and of services that ask to be left alone.
    func record(_ kind: EventKind, _ data: JSONValue, _ line: EventLine) throws {
        let id = line.seq << 16
        let subject = String(line.streamName.drop { $0 != ":" }.dropFirst())
        switch kind {
        case .connectorLimited:
            try sql("INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?)").run(
                subject, data["base"], data["group"]?.text ?? "",
                data["until"]?.text.flatMap { ISOTime.parse($0) })
        case .workflowStarted:
            try sql(
                """
                INSERT INTO workflow_runs(id, run, name, status, started_at)
                VALUES (?, ?, ?, 'running', ?) ON CONFLICT(run) DO UPDATE SET status = 'running'
                """
            ).run(id, subject, data["workflow"]?["name"] ?? data["workflow"]?["id"], line.at)
        case .transformApplied:
            let out = (data["rows"] ?? data["out"])?.elements.count ?? 0
            try sql("INSERT INTO transforms VALUES (?, ?, ?, ?, ?, ?, ?)").run(
                id, subject, data["node"], data["type"], data["count_in"]?.integer, Int64(out),
                data["read_seq"]?.integer)
        default:
            try sql(
                """
                UPDATE workflow_runs SET status = ?, finished_at = ?, playlist = ?, item_count = ?
                WHERE run = ?
                """
            ).run(
                kind == .workflowFinished ? "finished" : "failed", line.at, data["playlist"],
                data["count"]?.integer, subject)
        }
    }
}
