import Foundation
import Torture

// One layer, or one helper of a layer that works with processes:
//
//     narada-torture LAYER [--seed N] [--cases N] [--full] [--broken NAME]
//
// Prints one line of JSON; `tools/torture` runs all layers and prints the table.
exit(torture(Array(CommandLine.arguments.dropFirst())))
