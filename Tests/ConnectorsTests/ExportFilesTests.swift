import Connectors
import Foundation
import JSONText
import TestSupport
import Testing

/// Keeps folders for as long as a test runs; a variable's last use may be earlier.
private final class Keeper {
    var folders: [TemporaryFolder] = []
}

@Suite("Files of an export")
struct ExportFilesTests {
    private let keeper = Keeper()
    private static let rows = (1...5).map { Sample.row($0) }
    private static let history = Array(Sample.list(rows).utf8)
    private static let account = Array(
        #"[{"endTime":"2024-08-02 22:44","artistName":"A","trackName":"T","msPlayed":118990}]"#.utf8
    )
    private static let audio =
        "Spotify Extended Streaming History/Streaming_History_Audio_2025_0.json"

    /// Lays files into a folder.
    private func folder(_ files: [(name: String, data: [UInt8])]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        keeper.folders.append(folder)
        for file in files {
            let url = URL(fileURLWithPath: folder.file(file.name))
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(file.data).write(to: url)
        }
        return folder
    }

    private func zip(_ members: [(name: String, data: [UInt8])]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        keeper.folders.append(folder)
        try Sample.zip(folder.file("export.zip"), members)
        return folder
    }

    private func failure(_ paths: [String]) -> ExportError? {
        do {
            for file in try ExportFiles(paths).files { _ = try Sample.rows(of: file) }
            return nil
        } catch let error as ExportError {
            return error
        } catch {
            Issue.record(error)
            return nil
        }
    }

    @Test("A folder, an archive, an archive in an archive and single files give the same rows")
    func everyForm() throws {
        let unpacked = try folder([(Self.audio, Self.history)])
        let packed = try zip([(Self.audio, Self.history)])
        let inner = try #require(FileManager.default.contents(atPath: packed.file("export.zip")))
        let nested = try zip([("my_spotify_data.zip", Array(inner))])
        for path in [
            unpacked.path, unpacked.file(Self.audio), packed.file("export.zip"), packed.path,
            nested.file("export.zip"),
        ] {
            let files = try ExportFiles([path]).files
            #expect(files.map(\.name) == ["Streaming_History_Audio_2025_0.json"], "\(path)")
            #expect(try Sample.rows(of: try #require(files.first)) == Self.rows)
            #expect(
                try Sample.rows(of: try #require(files.first)) == Self.rows, "it can be read twice")
        }
    }

    @Test("An archive in an archive in an archive is refused")
    func tooDeep() throws {
        var archive = Self.history
        var name = "endsong_0.json"
        for level in 1...3 {
            let folder = try zip([(name, archive)])
            archive = Array(
                try #require(FileManager.default.contents(atPath: folder.file("export.zip"))))
            name = "level\(level).zip"
            #expect((failure([folder.file("export.zip")]) != nil) == (level == 3), "level \(level)")
        }
    }

    @Test("Renamed files are known by what they hold, in any order of names")
    func byContent() throws {
        let indented = Array(
            ("\u{FEFF}[\n  {\n    \"platform\": \"x\",\n    \"ms_played\": 5\n  }\n]").utf8)
        let folder = try folder([
            ("b/My plays (2).json", Self.history), ("a/plays.JSON", indented),
            ("YourLibrary.json", Array("{}".utf8)),
            ("Playlist1.json", Array(#"{"playlists":[]}"#.utf8)), ("notes.txt", Self.history),
            ("other.json", Array("[1,2]".utf8)), ("broken.json", [0xFF, 0x00]), ("empty.json", []),
        ])

        #expect(
            try ExportFiles([folder.path]).files.map(\.name) == ["plays.JSON", "My plays (2).json"])
    }

    @Test("Hidden files and what macOS leaves are no history")
    func hidden() throws {
        let files: [(String, [UInt8])] = [
            (Self.audio, Self.history),
            ("__MACOSX/Spotify/._Streaming_History_Audio_2025_0.json", [0, 5, 22, 7]),
            ("__MACOSX/endsong_0.json", Self.history), (".hidden/endsong_1.json", Self.history),
            ("x/.endsong_2.json", Self.history),
        ]
        #expect(try ExportFiles([try folder(files).path]).files.count == 1)
        let packed = try zip(files)
        #expect(try ExportFiles([packed.file("export.zip")]).files.count == 1)
    }

    @Test("Files that hold private data are never opened, even if they look like a history")
    func privateNames() throws {
        let names = [
            "Userdata.json", "Identity.json", "Payments.json", "SearchQueries.json",
            "Inferences.json", "Follow.json",
        ]
        let files = names.map { ($0, Self.history) } + [(Self.audio, Self.history)]
        #expect(try ExportFiles([try folder(files).path]).files.count == 1)
        // Its content cannot even be unpacked.
        let packed = try zip([
            (Self.audio, Self.history), ("Userdata.json", Array("secretsecret".utf8)),
        ])
        var bytes = Array(
            try #require(FileManager.default.contents(atPath: packed.file("export.zip"))))
        let name = Array("Userdata.json".utf8)
        let at = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        for offset in 0..<6 { bytes[at + name.count + offset] ^= 0xFF }
        try Data(bytes).write(to: URL(fileURLWithPath: packed.file("export.zip")))

        let found = try ExportFiles([packed.file("export.zip")])
        #expect(try found.files.map { try Sample.rows(of: $0) } == [Self.rows])
    }

    @Test("Account data alone is named with what to ask for instead")
    func accountOnly() throws {
        let name = "Spotify Account Data/StreamingHistory_music_0.json"
        for path in [
            try folder([(name, Self.account)]), try zip([(name, Self.account)]),
        ].map(\.path) {
            let error = try #require(failure([path]))
            #expect(error.code == .missing)
            #expect(error.message.contains("StreamingHistory_music_0.json"))
            #expect(error.remedy.contains("Extended streaming history"))
        }
        let both = try ExportFiles([
            try folder([(name, Self.account), (Self.audio, Self.history)]).path
        ])
        #expect(both.files.count == 1 && both.accountFiles == ["StreamingHistory_music_0.json"])
    }

    @Test("What is not there, and what holds no history, is told apart")
    func nothing() throws {
        let folder = try folder([
            ("x/notes.txt", [1]), ("list.json", Array("{}".utf8)),
            ("not.zip", Array("no zip".utf8)),
        ])

        #expect(failure([folder.file("no-such.zip")])?.code == .missing)
        #expect(failure([folder.file("x")])?.code == .missing)
        #expect(failure([folder.file("list.json")])?.code == .malformed)
        #expect(failure([folder.file("not.zip")])?.code == .malformed)
        #expect(failure([folder.file("x/notes.txt")])?.code == .malformed)
    }

    @Test("An archive that is cut anywhere is refused and never ends the program")
    func cutArchives() throws {
        let folder = try zip([(Self.audio, Self.history), ("x/endsong_1.json", Self.history)])
        let whole = try #require(FileManager.default.contents(atPath: folder.file("export.zip")))
        let path = folder.file("cut.zip")
        for count in 0..<whole.count {
            try whole.prefix(count).write(to: URL(fileURLWithPath: path))
            #expect(failure([path]) != nil, "cut at \(count) of \(whole.count)")
        }
    }

    @Test("An archive with a damaged byte gives its rows or an error, never other rows")
    func damagedArchives() throws {
        let folder = try zip([(Self.audio, Self.history)])
        let whole = try #require(FileManager.default.contents(atPath: folder.file("export.zip")))
        let path = folder.file("damaged.zip")
        var refused = 0
        for index in 0..<whole.count {
            var damaged = Array(whole)
            damaged[index] ^= 1 << (index % 8)
            try Data(damaged).write(to: URL(fileURLWithPath: path))
            do {
                for file in try ExportFiles([path]).files {
                    #expect(try Sample.rows(of: file) == Self.rows, "byte \(index)")
                }
            } catch is ExportError {
                refused += 1
            }
        }
        #expect(refused > whole.count / 3)
    }

    @Test("Names that lead elsewhere are names, nothing else")
    func slippingNames() throws {
        let names = [
            "../../../tmp/endsong_7.json", "/etc/endsong_8.json", "C:\\Users\\me\\endsong_9.json",
            "a\u{1B}[2J/endsong_6.json",
        ]
        let packed = try zip(names.map { ($0, Self.history) })

        let files = try ExportFiles([packed.file("export.zip")]).files

        // What begins with two dots is hidden, as any name that begins with one.
        #expect(Set(files.map(\.name)) == ["endsong_6.json", "endsong_8.json", "endsong_9.json"])
        for file in files { #expect(try Sample.rows(of: file) == Self.rows) }
        #expect(!FileManager.default.fileExists(atPath: "/tmp/endsong_7.json"))
        #expect(!FileManager.default.fileExists(atPath: "/etc/endsong_8.json"))
    }

    @Test("A member that grows out of all proportion is refused")
    func bomb() throws {
        let packed = try zip([
            (
                "endsong_0.json",
                Array("[".utf8) + Array(repeating: 0x20, count: 8 << 20) + Array("]".utf8)
            )
        ])
        let size = try #require(
            try FileManager.default.attributesOfItem(atPath: packed.file("export.zip"))[.size]
                as? Int)
        #expect(size < 20_000)

        let error = try #require(failure([packed.file("export.zip")]))
        #expect(error.code == .malformed && error.message.contains("200-fold"))
    }

    @Test(
        "Ten thousand members are looked through, one more is refused", arguments: [10_000, 10_001])
    func manyMembers(count: Int) throws {
        let folder = try TemporaryFolder()
        keeper.folders.append(folder)
        let path = folder.file("export.zip")
        let script = """
            import sys, zipfile
            with zipfile.ZipFile(sys.argv[1], "w") as archive:
                archive.writestr("endsong_0.json", "[]")
                for number in range(int(sys.argv[2]) - 1): archive.writestr("%d.txt" % number, "")
            """
        try Sample.python(["python3", "-c", script, path, String(count)])

        #expect((failure([path]) == nil) == (count == 10_000))
    }

    @Test("A link inside a folder is not followed")
    func links() throws {
        let outside = try folder([("endsong_0.json", Self.history)])
        let inside = try folder([("endsong_1.json", Self.history)])
        try FileManager.default.createSymbolicLink(
            atPath: inside.file("endsong_2.json"),
            withDestinationPath: outside.file("endsong_0.json"))
        try FileManager.default.createSymbolicLink(
            atPath: inside.file("more"), withDestinationPath: outside.path)

        #expect(try ExportFiles([inside.path]).files.map(\.name) == ["endsong_1.json"])
    }
}
