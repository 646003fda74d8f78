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
            try sql(
                "INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?)", subject, data["base"]?.text,
                data["group"]?.text ?? "", data["until"]?.text.flatMap { ISOTime.parse($0) }
            ).run()
        case .workflowStarted:
            let name = data["workflow"]?["name"] ?? data["workflow"]?["id"]
            try sql(
                """
                INSERT INTO workflow_runs(id, run, name, status, started_at)
                VALUES (?, ?, ?, 'running', ?) ON CONFLICT(run) DO UPDATE SET status = 'running'
                """, id, subject, name?.text, line.at
            ).run()
        case .workflowFinished, .workflowFailed:
            try sql(
                """
                UPDATE workflow_runs SET status = ?, finished_at = ?, playlist = ?, item_count = ?
                WHERE run = ?
                """, kind == .workflowFinished ? "finished" : "failed", line.at,
                data["playlist"]?.text, data["count"]?.integer, subject
            ).run()
        case .transformApplied:
            let out = (data["rows"] ?? data["out"])?.elements.count ?? 0
            try sql(
                "INSERT INTO transforms VALUES (?, ?, ?, ?, ?, ?, ?)", id, subject,
                data["node"]?.text, data["type"]?.text, data["count_in"]?.integer, Int64(out),
                data["read_seq"]?.integer
            ).run()
        default: break
        }
    }
}
