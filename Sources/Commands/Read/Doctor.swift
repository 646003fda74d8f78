import ArgumentParser
import Connectors
import Foundation
import GRDB
import JSONText
import Ledger
import Projector

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "What is wrong here and how to fix it.",
        discussion: """
            Reads the whole log and compares the read models with a rebuild; changes nothing. Ends with 0 if there is
            at most something to know, else as the first command would that meets the fault.
            """)
    @OptionGroup var globals: GlobalOptions

    /// Something that a person should know, or must mend.
    private struct Finding {
        let check: String
        let what: String
        let fix: String
        /// How commands end that meet it; done where they do not.
        var status = ExitStatus.done
    }

    func run() throws {
        let session = try Session(reading: globals)
        let checks: [(String, (Session) throws -> [Finding])] = [
            ("ledger", Self.ledger), ("read models", Self.readModels), ("disk", Self.disk),
            ("log-ins", Self.logins), ("services", Self.services), ("playlists", Self.playlists),
        ]
        var told: Set<String> = []
        let findings = checks.flatMap { name, check -> [Finding] in
            do { return try check(session) } catch {
                let error = NaradaError(error)
                return [
                    Finding(
                        check: name, what: error.message, fix: error.hint, status: error.status)
                ]
            }
        }.filter { told.insert($0.what).inserted }  // One fault stops several checks.
        session.progress.finish()
        if globals.json {
            Output.json([
                "checks": .texts(checks.map(\.0)),
                "findings": .array(
                    findings.map {
                        [
                            "check": .text($0.check), "what": .text($0.what), "fix": .text($0.fix),
                            "exit": JSON(Int($0.status.rawValue)),
                        ]
                    }),
            ])
        } else {
            Output.table(
                ["", ""],
                checks.filter { name, _ in !findings.contains { $0.check == name } }
                    .map { [$0.0, "well"] }
                    + findings.flatMap { finding in
                        [
                            [finding.check, finding.what],
                            ["", (finding.status == .done ? "" : "to mend it, ") + finding.fix],
                        ]
                    })
        }
        if let worst = findings.first(where: { $0.status != .done }) {
            throw NaradaError(
                worst.status, "unwell", "\(worst.check): \(worst.what)", hint: worst.fix)
        }
    }

    private static func ledger(_ session: Session) throws -> [Finding] {
        let found = try session.ledger.verify(witnesses: session.projector.witnesses())
        var findings: [Finding] = []
        func know(_ what: String, _ fix: String) {
            findings.append(Finding(check: "ledger", what: what, fix: fix))
        }
        if let notice = found.notice { know(notice, "any command that appends does it.") }
        if found.time > session.clock.now {
            know(
                "the last event was recorded at \(ISOTime.text(found.time)), ahead of this machine's clock",
                "set the clock; until then, what is appended gets the time of the event before it.")
        }
        let unsealed = found.segments.dropLast().filter { !$0.sealed }
        if !unsealed.isEmpty {
            know(
                "\(Output.count(unsealed.count, "finished segment")) could be smaller",
                "run `narada-cmd seal`.")
        }
        let kept = try session.ledger.disk.list(session.ledger.directory + "/quarantine")
        if !kept.isEmpty {
            know(
                "\(Output.count(kept.count, "file")) in \(session.ledger.directory)/quarantine",
                "look at them or delete them; Narada never does.")
        }
        return findings
    }

    private static func readModels(_ session: Session) throws -> [Finding] {
        let (_, differing) = try session.projector.check()
        guard !differing.isEmpty else { return [] }
        return [
            Finding(
                check: "read models",
                what: "not what the log gives: \(differing.joined(separator: ", "))",
                fix: "run `narada-project --rebuild`.", status: .badInput)
        ]
    }

    private static func disk(_ session: Session) throws -> [Finding] {
        var findings: [Finding] = []
        var space = statvfs()
        guard statvfs(session.home.path, &space) == 0 else { return [] }
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        var mount = (point: "", type: "")
        for line in mounts.split(separator: "\n") {
            let parts = line.split(separator: " ").map(String.init)
            guard parts.count > 2, session.home.path.hasPrefix(parts[1]),
                parts[1].count >= mount.point.count
            else { continue }
            mount = (parts[1], parts[2])
        }
        let remote = ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"]
        if remote.contains(mount.type) {
            findings.append(
                Finding(
                    check: "disk",
                    what: "\(session.home.path) is on a network disk (\(mount.type))",
                    fix:
                        "keep the home on a disk of this machine; a network may lose or reorder writes."
                ))
        }
        let free = (UInt64(space.f_bavail) * UInt64(space.f_frsize)) >> 20
        if free < 256 {
            findings.append(
                Finding(
                    check: "disk", what: "\(free) MB are free",
                    fix: "make room before long imports."))
        }
        if access(session.home.path, W_OK) != 0 {
            findings.append(
                Finding(
                    check: "disk", what: "\(session.home.path) cannot be written",
                    fix: "reading works; nothing can be added."))
        }
        return findings
    }

    private static func logins(_ session: Session) throws -> [Finding] {
        guard let spotify = try session.credentials.read("spotify"),
            let warning = SpotifyLogin.consentWarning(spotify, now: session.clock.now)
        else { return [] }
        return [
            Finding(check: "log-ins", what: warning, fix: "run `narada-cmd login spotify`.")
        ]
    }

    private static func services(_ session: Session) throws -> [Finding] {
        let closed = try session.limits().filter { $0.untilMS > session.clock.now }
        let open: [String] = try session.read {
            try $0.values("SELECT kind || ' to ' || target FROM outbox WHERE status = 'intended'")
        }
        return closed.map {
            Finding(
                check: "services",
                what:
                    "\($0.service) asks to wait until \(ISOTime.text($0.untilMS, fraction: false))",
                fix: "run it again then.")
        }
            + open.map {
                Finding(
                    check: "services", what: "a \($0) was begun and not settled",
                    fix: "run it again; it asks the service first what came of it.")
            }
    }

    private static func playlists(_ session: Session) throws -> [Finding] {
        try session.read { try $0.values(FoundPlaylist.diverged) }.map { (uri: String) in
            Finding(
                check: "playlists",
                what: "\(uri) was changed here since it last agreed with its service",
                fix: "run `narada-cmd playlist push \(uri)` or `pull \(uri)`.")
        }
    }
}
