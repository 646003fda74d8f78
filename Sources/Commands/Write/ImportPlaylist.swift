import ArgumentParser
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections

struct ImportPlaylist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlist",
        abstract: "Take in playlists: Narada's JSON, Spotify's Playlist1.json, M3U8.",
        discussion: "Importing a file again appends only what is different.")
    @OptionGroup var options: WriteOptions
    @Argument var file: String
    @Option(help: "What to call it here.") var name: String?

    func run() throws {
        var lists = try PlaylistFile(file).playlists
        try require(
            lists.count == 1 || name == nil,
            .usage(
                "--name names one playlist, and \(file) holds \(lists.count)", hint: "leave it out."
            ))
        if let name { lists[0].name = name }
        let session = try Session(writing: options, task: "import playlist")
        let fresh = lists.map { _ in newPlaylistURI(session) }
        var rows: [JSON] = []
        var lines: [String] = []
        try session.decide { db in
            (rows, lines) = ([], [])
            return try zip(lists, fresh).flatMap { list, fresh -> [NewEvent] in
                let (known, events) = try list.events(db, fresh: fresh)
                let change = events.isEmpty ? "unchanged" : known == nil ? "created" : "changed"
                let uri = known ?? events[0].stream.description
                rows.append([
                    "playlist": .text(uri), "name": .text(list.name),
                    "count": JSON(list.items.count), "change": .text(change),
                ])
                lines.append("\(change): '\(list.name)', \(list.items.count) rows, \(uri)")
                return events
            }
        }
        try session.answer(
            [("playlists", .array(rows))], text: lines.joined(separator: "; "))
    }
}

/// A playlist as a file tells it.
struct ListedPlaylist {
    struct Item {
        let uri: String?
        let json: JSON

        /// Takes a row as the file tells it; an empty URI names nothing.
        init(
            _ uri: String?, title: String?, artists: [String]?, album: String? = nil,
            durationMS: Int? = nil, addedAtMS: Milliseconds? = nil
        ) {
            self.uri = uri == "" ? nil : uri
            json = .known([
                "uri": JSON(self.uri), "title": title.map { .text($0) },
                "artists": artists.map { .texts($0) }, "album": album.map { .text($0) },
                "duration_ms": durationMS.map { JSON($0) },
                "added_at": addedAtMS.map { .text(ISOTime.text($0)) },
            ])
        }
    }

    var name: String
    var description: String?
    /// Its own URI, where the file is Narada's.
    var uri: String?
    /// How it is known again: the kind of file, the name there, and which of that name.
    var source: (kind: String, name: String, number: Int)
    var items: [Item] = []

    /// What brings the ledger to this list.
    ///
    /// - Returns: The playlist that exists, if there is one, and the events; none if nothing differs.
    func events(_ db: Database, fresh: String) throws -> (uri: String?, events: [NewEvent]) {
        let source: JSON = [
            "kind": .text(self.source.kind), "name": .text(self.source.name),
            "number": JSON(self.source.number),
        ]
        let known: String? = try db.value(
            """
            SELECT uri FROM playlists
            WHERE (uri = ?1 OR source = ?2) AND is_deleted = 0 ORDER BY uri = ?1 DESC
            """, uri, source.text)
        guard let known else {
            // The file's own name may be that of a playlist that was deleted.
            let isTaken = try db.row("SELECT 1 FROM playlists WHERE uri = ?", uri) != nil
            let event = try created(
                isTaken ? fresh : uri ?? fresh, name: name, description: description,
                items: items.map(\.json), source: source)
            return (nil, [event])
        }
        let found = try FoundPlaylist.find(known, db)
        let stream = try found.stream
        var events: [NewEvent] = []
        if found.name != name {
            events.append(NewEvent(.playlistRenamed, on: stream, ["name": .text(name)]))
        }
        if let description, found.description ?? "" != description {
            events.append(
                NewEvent(.playlistDescribed, on: stream, ["description": .text(description)]))
        }
        if try found.rows(db).map(\.uri) != items.map(\.uri) {
            let edit: JSON = ["op": "set", "items": .array(items.map(\.json))]
            events.append(NewEvent(.playlistEdited, on: stream, edit))
        }
        return (found.uri, events)
    }
}

/// A file of playlists, its kind told by what it holds.
struct PlaylistFile {
    private(set) var playlists: [ListedPlaylist] = []
    private static let limit = 32 << 20

    init(_ path: String) throws {
        let data = try input(FileHandle(forReadingAtPath: path), path, atMost: Self.limit)
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard data.count <= Self.limit, let text = String(validating: data, as: UTF8.self) else {
            throw Self.malformed(name, "it is larger than 32 MB or not UTF-8")
        }
        if text.first(where: { !$0.isWhitespace && $0 != "\u{FEFF}" }) == "{" {
            try readJSON(Array(text.drop { $0 != "{" }.utf8), name)
        } else if text.contains("#EXTM3U")
            || [".m3u", ".m3u8"].contains(where: name.lowercased().hasSuffix)
        {
            try readM3U8(text, name)
        } else {
            throw Self.malformed(name, "it is neither JSON nor M3U8")
        }
        for list in playlists where list.items.count > 65_536 {
            throw Self.malformed(name, "'\(list.name)' has more than 65,536 rows")
        }
    }

    private static func malformed(_ name: String, _ reason: String) -> NaradaError {
        .badInput("\(name) is not a playlist: \(reason)", hint: "nothing was imported.")
    }

    private mutating func readJSON(_ bytes: [UInt8], _ name: String) throws {
        try bytes.withUnsafeBufferPointer { bytes in
            do { try JSONValidator.check(bytes, bounds: .init(value: Self.limit)) } catch {
                throw Self.malformed(name, "\(error)")
            }
            let value = JSONValue(bytes)
            if let lists = value["playlists"], lists.isArray {
                for list in lists.elements { try add(spotify: list, name) }
                return try require(!playlists.isEmpty, Self.malformed(name, "it holds no playlist"))
            }
            guard let items = value["items"], items.isArray, let title = value["name"]?.text else {
                throw Self.malformed(name, "it has no 'name' and 'items', and no 'playlists'")
            }
            var list = ListedPlaylist(name: title, source: ("json", title, 1))
            list.description = value["description"]?.text
            list.uri = value["playlist"]?.text.flatMap {
                $0.hasPrefix("narada:playlist:") && StreamName($0) != nil ? $0 : nil
            }
            for (index, row) in items.elements.enumerated() {
                guard row.isObject, row["uri"] == nil || row["uri"]?.isText == true else {
                    throw Self.malformed(
                        name, "item \(index + 1) has no 'uri' that is a text or null")
                }
                let artists = row["artists"].flatMap { $0.isArray ? $0.elements : nil }
                list.items.append(
                    .init(
                        row["uri"]?.text, title: row["title"]?.text,
                        artists: artists?.compactMap(\.text),
                        addedAtMS: row["added_at"]?.text.flatMap { ISOTime.parse($0) }))
            }
            playlists.append(list)
        }
    }

    /// A list of the account data package: no id, order kept, `addedDate` only in newer files.
    private mutating func add(spotify value: JSONValue, _ name: String) throws {
        guard let title = value["name"]?.text, let items = value["items"], items.isArray else {
            throw Self.malformed(name, "playlist \(playlists.count + 1) has no 'name' and 'items'")
        }
        let number = playlists.count { $0.source.name == title } + 1
        var list = ListedPlaylist(name: title, source: ("spotify-account", title, number))
        list.description = value["description"]?.text
        for row in items.elements {
            let track = row["track"]
            let episode = row["episode"]
            let uri = track?["trackUri"] ?? episode?["episodeUri"] ?? row["localTrack"]?["uri"]
            let title = (track?["trackName"] ?? episode?["episodeName"])?.text
            let artist = (track?["artistName"] ?? episode?["showName"])?.text
            var named: String?
            if let title = track?["trackName"]?.text, let artist = track?["artistName"]?.text {
                named = TextURI(artist: artist, title: title).uri
            }
            list.items.append(
                .init(
                    uri?.text ?? named, title: title, artists: artist.map { [$0] },
                    album: track?["albumName"]?.text,
                    addedAtMS: row["addedDate"]?.text.flatMap { ISOTime.parseDate($0) }))
        }
        playlists.append(list)
    }

    private mutating func readM3U8(_ text: String, _ name: String) throws {
        let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
        var list = ListedPlaylist(name: stem, source: ("m3u8", stem, 1))
        var durationMS: Int?
        var info: (artist: String, title: String)?
        for raw in text.split(whereSeparator: \.isNewline) {
            let line = raw.drop { $0 == "\u{FEFF}" || $0 == " " }
            guard line.utf8.count <= JSONBounds().text else {
                throw Self.malformed(name, "a line is longer than 64 KB")
            }
            if line.hasPrefix("#PLAYLIST:") {
                list.name = String(line.dropFirst(10))
                list.source.name = list.name
            } else if line.hasPrefix("#EXTINF:") {
                let parts = line.dropFirst(8).split(separator: ",", maxSplits: 1)
                let seconds = parts.first.flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
                durationMS = (1..<1 << 32).contains(seconds) ? seconds * 1000 : durationMS
                info = parts.count > 1 && !parts[1].isEmpty ? M3U8.names(String(parts[1])) : nil
            } else if !line.hasPrefix("#"), !line.isEmpty {
                let isThere = line != M3U8.unavailable
                let named = isThere ? info : nil
                list.items.append(
                    .init(
                        isThere ? Self.uri(String(line), info) : nil, title: named?.title,
                        artists: named.flatMap { $0.artist.isEmpty ? nil : [$0.artist] },
                        durationMS: durationMS))
                (durationMS, info) = (nil, nil)
            }
        }
        playlists.append(list)
    }

    /// The URI on a line of M3U8; a path stands for the artist and title above it, or for its own name.
    private static func uri(_ line: String, _ info: (artist: String, title: String)?) -> String {
        if let uri = try? trackURI(line) { return uri }
        let file =
            line.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? line
        let named = info ?? M3U8.names(file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file)
        return TextURI(artist: named.artist, title: named.title).uri
    }
}

/// What export and import of M3U8 agree on.
enum M3U8 {
    /// Stands on the line of a row that is not available.
    static let unavailable = "narada:unavailable"

    /// `Artist - Title`, or a title alone.
    static func names(_ text: String) -> (artist: String, title: String) {
        guard let range = text.firstRange(of: " - ") else { return ("", text) }
        return (String(text[..<range.lowerBound]), String(text[range.upperBound...]))
    }
}
