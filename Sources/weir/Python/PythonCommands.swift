// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc

/// `weir train`: the Python package's command.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a project's model on its examples (runs python -m weir.train).",
    discussion: PythonModule.discussion + "\n\nExample:\n  weir train shop.model --help")

  @Argument(parsing: .captureForPassthrough, help: "What the Python command takes.")
  var arguments: [String] = []

  func run() throws { try PythonModule("weir.train").become(arguments) }
}

/// `weir evaluate`: the Python package's command.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Compare recommenders on events that are held out (runs python -m weir.evaluate).",
    discussion: PythonModule.discussion + "\n\nExample:\n  weir evaluate ratings.csv --help")

  @Argument(parsing: .captureForPassthrough, help: "What the Python command takes.")
  var arguments: [String] = []

  func run() throws { try PythonModule("weir.evaluate").become(arguments) }
}

/// A module of the Python package, which this process becomes.
struct PythonModule {
  private let name: String

  init(_ name: String) { self.name = name }

  static let discussion = """
    The interpreter is WEIR_PYTHON, or that of the active virtual environment, or .venv/bin/python here \
    or in a folder above, or python3; it must have the package: pip install weir[torch].
    """

  /// - Returns: never, when the interpreter starts.
  func become(_ arguments: [String]) throws {
    let interpreter = Self.interpreter()
    var words = [interpreter, "-m", name] + arguments
    // What a person typed after `weir train --` arrives with it.
    words.removeAll { $0 == "--" }
    var pointers = words.map { strdup($0) }
    pointers.append(nil)
    // Safe: the array lives until the call returns, which it does on failure only.
    execvp(interpreter, &pointers)
    let reason = String(cString: strerror(errno))
    throw CommandFailure(
      "\(interpreter) cannot be started: \(reason)",
      hint: "Set WEIR_PYTHON to a Python interpreter that has the package weir.")
  }

  private static func interpreter() -> String {
    if let given = Terminal.environment("WEIR_PYTHON") { return given }
    if let active = Terminal.environment("VIRTUAL_ENV") { return "\(active)/bin/python" }
    var above = ""
    for _ in 0..<8 {
      let candidate = "\(above).venv/bin/python"
      if access(candidate, X_OK) == 0 { return candidate }
      above += "../"
    }
    return "python3"
  }
}
