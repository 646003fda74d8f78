import Foundation
import GRDB
import TestSupport
import Testing

@Suite("What is wrong with a home, and how to fix it")
struct DoctorTests {
    /// A way for a home to be unwell, and what the doctor says of it.
    struct Ailment: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let check: String
        let what: String
        var status: Int32 = 0
        let cause: @Sendable (TestHome) throws -> Void
    }

    private static func change(_ path: String, _ change: (inout Data) -> Void) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        change(&bytes)
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    static let ailments = [
        Ailment(
            testDescription: "a flipped bit", check: "ledger", what: "cannot be trusted", status: 74
        ) { home in
            try change(home.path + "/ledger/000000000001.lz4") { $0[$0.count - 4] ^= 1 }
        },
        Ailment(
            testDescription: "a segment that is gone", check: "ledger", what: "HEAD knows them",
            status: 74
        ) { home in
            let segment = home.path + "/ledger/000000000001.lz4"
            try change(segment) { $0.removeSubrange(115...) }
        },
        Ailment(
            testDescription: "a row that no event gave", check: "read models", what: "playlists",
            status: 65
        ) { home in
            try DatabaseQueue(path: home.path + "/narada.db").write {
                try $0.execute(sql: "UPDATE playlists SET name = 'Mourning'")
            }
        },
        Ailment(
            testDescription: "log-ins that others can read", check: "log-ins",
            what: "can be read or changed by others", status: 78
        ) { home in
            let path = home.path + "/credentials.json"
            try Data("{}".utf8).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        },
        Ailment(
            testDescription: "a clock that went back", check: "ledger",
            what: "ahead of this machine's clock"
        ) { $0.now = "2025-01-01T00:00:00Z" },
        Ailment(
            testDescription: "a commit cut short", check: "ledger", what: "never finished"
        ) { home in
            let segment = home.path + "/ledger/000000000001.lz4"
            try change(segment) { $0.append(contentsOf: [0x5E, 0x2A, 0x4D, 0x18, 88, 0, 0]) }
        },
        Ailment(
            testDescription: "bytes in quarantine", check: "ledger", what: "1 file in"
        ) { home in
            let segment = home.path + "/ledger/000000000001.lz4"
            try change(segment) { $0.append(contentsOf: [0x5E, 0x2A, 0x4D, 0x18, 88, 0, 0]) }
            try home.cmd("playlist", "create", "After")
        },
    ]

    @Test("A home that is well has nothing to mend, also an empty one")
    func well() throws {
        let home = try TestHome()
        try home.cmd("init")
        for _ in 1...2 {
            let said = try #require(try home.read("doctor") as? [String: Any])
            #expect((said["findings"] as? [Any])?.isEmpty == true)
            #expect((said["checks"] as? [Any])?.count == 6)
            try home.cmd("playlist", "create", "Morning")
        }
    }

    @Test(
        "Each ailment is named under its check, with a remedy and the exit of who meets it",
        arguments: ailments)
    func unwell(_ ailment: Ailment) throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Morning", "spotify:track:4uLU6hMCjMI75M1A2tKUQC")
        try home.cmd("playlist", "rename", "Morning", "Evening")
        try ailment.cause(home)
        let result = try home.run("narada", ["doctor", "--json"])
        #expect(result.status == ailment.status)
        let said = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any]
        let findings = try #require(said?["findings"] as? [[String: Any]])
        let found = findings.first {
            $0["check"] as? String == ailment.check
                && ($0["what"] as? String)?.contains(ailment.what) == true
        }
        #expect(found?["exit"] as? Int32 == ailment.status, "\(findings)")
        #expect((found?["fix"] as? String)?.isEmpty == false)
    }
}
