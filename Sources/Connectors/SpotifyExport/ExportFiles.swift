private import Foundation
internal import JSONText

/// One file of a streaming history, wherever it lies.
public struct HistoryFile {
    /// The file's own name without folders: folders may carry a person's name.
    public let name: String
    /// Opens it from its beginning; it is read twice.
    public let open: () throws(ExportError) -> any ByteStream
}

/// Finds the files of Spotify's extended streaming history by what they hold.
///
/// Archives, folders, archives in archives (one level) and single files are looked into. Files that are
/// known to hold private data are never opened; of any other JSON file the first 64 KB decide.
public struct ExportFiles {
    /// The files in the order of their names.
    public private(set) var files: [HistoryFile] = []
    /// Names of files that hold the short history of the account data package.
    public private(set) var accountFiles: [String] = []

    private static let remedy =
        "name the ZIP from Spotify, its folder, or its Streaming_History_Audio_*.json files."

    private static let privateNames: Set<String> = [
        "userdata", "identity", "identifiers", "follow", "inferences", "marquee", "payments",
        "searchqueries", "useraddress", "userprofile", "usercredentials", "messagedata",
        "duonewfamily", "familyplan", "devices", "appinstalls", "addtoplaylist",
    ]
    private static let historyNames = [
        "streaming_history_audio", "streaming_history_video", "endsong", "endvideo",
    ]

    /// Looks through paths.
    ///
    /// - Throws: ``ExportError`` `no-input` if a path or any history is missing, `bad-input` for an archive
    ///   that is damaged or past a bound and for a single file that is no history.
    public init(_ paths: [String]) throws(ExportError) {
        for path in paths { try look(path, isNamed: true, depth: 0) }
        guard files.isEmpty else { return }
        if let account = accountFiles.first {
            throw ExportError(
                .missing, "\(account) is the short history of the account data package",
                remedy: "request the \"Extended streaming history\" on spotify.com/account/privacy."
            )
        }
        throw ExportError(
            .missing, "there is no streaming history in \(paths.joined(separator: ", "))",
            remedy: Self.remedy)
    }

    private mutating func look(_ path: String, isNamed: Bool, depth: Int) throws(ExportError) {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw ExportError(.missing, "there is no \(path)", remedy: "check the path.")
        }
        if isDirectory.boolValue {
            guard depth < 16, let names = try? FileManager.default.contentsOfDirectory(atPath: path)
            else {
                throw ExportError(
                    .unreadable, "cannot list \(path)", remedy: "check its permissions.")
            }
            for name in names.sorted() where !Self.isHidden(name) {
                // Links inside a folder could lead anywhere.
                let inner = "\(path)/\(name)"
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: inner)
                if target == nil { try look(inner, isNamed: false, depth: depth + 1) }
            }
            return
        }
        let name = Self.ownName(path)
        guard isNamed || Self.mayOpen(name) || name.lowercased().hasSuffix(".zip") else { return }
        let start = try Self.beginning(FileStream(path))
        if [[0x50, 0x4B, 0x03, 0x04], [0x50, 0x4B, 0x05, 0x06]].contains(where: start.starts) {
            return try look(into: ZipArchive(path), depth: 0)
        }
        if name.lowercased().hasSuffix(".zip") { _ = try ZipArchive(path) }
        try take(name, start, isNamed: isNamed) { () throws(ExportError) in try FileStream(path) }
    }

    private mutating func look(into archive: ZipArchive, depth: Int) throws(ExportError) {
        for (path, index) in archive.members
        where !path.split(separator: "/").contains(where: { Self.isHidden(String($0)) }) {
            let name = Self.ownName(path)
            if name.lowercased().hasSuffix(".zip") {
                guard depth == 0 else {
                    throw ExportError(
                        .malformed, "\(name) is an archive in an archive in an archive",
                        remedy: "unpack it once and name the inner one.")
                }
                try look(into: archive.nested(index, label: name), depth: depth + 1)
            } else if !path.hasSuffix("/"), Self.mayOpen(name) {
                let start = try Self.beginning(archive.open(index))
                try take(name, start, isNamed: false) { () throws(ExportError) in
                    try archive.open(index)
                }
            }
        }
    }

    private mutating func take(
        _ name: String, _ start: [UInt8], isNamed: Bool,
        open: @escaping () throws(ExportError) -> any ByteStream
    ) throws(ExportError) {
        let text = String(decoding: start, as: UTF8.self)
        let space = " \n\r\t\u{FEFF}".unicodeScalars
        let isList = text.unicodeScalars.first { !space.contains($0) } == "["
        if Self.isHistoryName(name.lowercased())
            || isList && ["\"ms_played\"", "\"spotify_track_uri\""].contains(where: text.contains)
            || isNamed && text.filter({ !$0.isWhitespace }) == "[]"
        {
            files.append(HistoryFile(name: name, open: open))
        } else if isList, text.contains("\"msPlayed\"") {
            accountFiles.append(name)
        } else if isNamed {
            throw ExportError(.malformed, "\(name) holds no streaming history", remedy: Self.remedy)
        }
    }

    private static func isHistoryName(_ name: String) -> Bool {
        historyNames.contains(where: name.hasPrefix) && name.hasSuffix(".json")
    }

    private static func beginning(_ stream: any ByteStream) throws(ExportError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var count = 0
        while count < buffer.count {
            let got = try stream.read(into: .init(rebasing: buffer[count...]))
            if got == 0 { break }
            count += got
        }
        return Array(buffer[0..<count])
    }

    /// JSON files by name, but for those that are known to be private.
    private static func mayOpen(_ name: String) -> Bool {
        let lower = name.lowercased()
        guard lower.hasSuffix(".json") else { return false }
        let stem = lower.dropLast(5).filter(\.isLetter)
        return !privateNames.contains(stem)
    }

    private static func isHidden(_ name: String) -> Bool {
        name.hasPrefix(".") || name == "__MACOSX"
    }

    /// The last part of a path, of either kind of slash, without control characters.
    private static func ownName(_ path: String) -> String {
        let last =
            path.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? path
        let clean = last.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }
        return String(String.UnicodeScalarView(clean).prefix(200).map(Character.init))
    }
}
