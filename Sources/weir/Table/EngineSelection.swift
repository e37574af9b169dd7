// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// Where the work on a table is done.
struct EngineSelection: ParsableArguments {
  @Option(
    name: .long,
    help:
      "Where the work is done: here, or by a Ray cluster with a task for each part (weir[ray]).")
  var engine = Engine.local
  @Option(
    name: .long,
    help: ArgumentHelp(
      "The Ray cluster (default: RAY_ADDRESS, or one of this machine's own).",
      valueName: "host:port"))
  var address: String?
  @Option(name: .long, help: ArgumentHelp("Tasks at a time on Ray (default: its processors)."))
  var tasks: Int?

  enum Engine: String, ExpressibleByArgument, CaseIterable {
    case local, ray
  }

  func validate() throws {
    if engine == .local, address != nil || tasks != nil {
      throw ValidationError("--address and --tasks are for --engine ray")
    }
    if let tasks, tasks < 1 { throw ValidationError("--tasks needs 1 or more, not \(tasks)") }
  }

  /// Has `python -m weir.ray` do the work.
  ///
  /// - Parameters:
  ///   - words: the command, and what it is about.
  ///   - options: with their names; those without a value are left out.
  /// - Returns: never, when the interpreter starts.
  func become(
    _ words: [String], _ options: [(name: String, value: String?)],
    flags: [(name: String, isSet: Bool)]
  ) throws {
    var words = words
    let all = options + [("--address", address), ("--tasks", tasks.map(String.init))]
    for (name, value) in all { if let value { words += ["\(name)=\(value)"] } }
    try PythonModule("weir.ray").become(words + flags.filter(\.isSet).map(\.name))
  }
}

extension TableSelection {
  /// The table as `python -m weir.ray` takes it.
  func rayWords() throws -> [String] {
    _ = try identifier()
    return [name, "--catalog", selection.address]
      + selection.settings.flatMap { ["--property", $0] }
  }
}
