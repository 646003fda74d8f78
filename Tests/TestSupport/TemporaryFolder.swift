import Foundation

/// A folder of a test's own, gone when nobody holds it any more.
public final class TemporaryFolder {
    public let path: String

    public init() throws {
        let name = "narada-test-\(UUID().uuidString)"
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path inside.
    public func file(_ name: String) -> String { path + "/" + name }
}
