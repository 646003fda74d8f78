import Events
import GRDBSQLite
import JSONText
import Ledger

/// Groups connector entities into tracks, and sums what Last.fm counted for them.
///
/// A group is a head and the nodes whose `anchor` it is. All that depends on groups is derived at the end
/// of a batch for what the batch touched, as a function of the rows that stand then.
final class Groups {
    let sql: Statements
    /// Whether the tables of the tracks are kept; else they stand as they are in the end.
    let isKept: Bool
    var counted: Set<Int64> = []

    init(_ database: OpaquePointer, models: Set<ReadModel>) {
        sql = Statements(database)
        isKept = models.contains(.tracks)
    }

    /// Derives what depends on groups; needs the indexes.
    func settle() throws {
        guard isKept else { return }
        try sumCounts(counted.sorted())
        counted = []
    }
}
