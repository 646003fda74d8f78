import Foundation

/// A folder of a test's own, gone when nobody holds it any more.
public final class TemporaryFolder {
    public let path: String

    /// Makes it.
    ///
    /// - Parameter parent: Where, if there is such a place; else where the system has temporary files.
    public init(in parent: String? = nil) throws {
        let name = "narada-test-\(UUID().uuidString)"
        let isThere = parent.map { FileManager.default.fileExists(atPath: $0) } ?? false
        let place =
            isThere
            ? URL(fileURLWithPath: parent ?? "") : FileManager.default.temporaryDirectory
        let url = place.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path inside.
    public func file(_ name: String) -> String { path + "/" + name }
}
