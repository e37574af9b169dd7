// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The terminal that the person looks at, if any.
enum Terminal {
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1

  /// Columns to lay tables out for: the terminal's, between 60 and 120; 100 for a pipe or a file.
  static let width: Int = {
    if let text = environment("COLUMNS"), let columns = Int(text) { return clamp(columns) }
    guard outputIsTerminal else { return 100 }
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return clamp(Int(size.ws_col))
  }()

  /// How this program was called, for commands that the person may copy.
  static let program: String = {
    guard let name = CommandLine.arguments.first, name.contains("/") else { return "weir" }
    return name
  }()

  private static func clamp(_ columns: Int) -> Int { min(120, max(60, columns)) }

  static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// Writes to standard output. A closed pipe ends the process silently, as for any filter.
  static func write(_ text: String) { writeAll(text, to: STDOUT_FILENO) }

  static func writeLine(_ text: String = "") { write(text + "\n") }

  /// Writes to standard error: progress and errors, never results.
  static func writeError(_ text: String) { writeAll(text, to: STDERR_FILENO) }

  private static func writeAll(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        // Nowhere left to say that the output is gone, for instance on a full disk.
        Glibc.exit(1)
      }
      if written == rest.count { return }
      rest.removeFirst(written)
    }
  }
}

/// Collects output and writes it in large pieces.
struct OutputBuffer {
  private var text = ""

  mutating func append(_ part: String) {
    text += part
    if text.utf8.count > 1 << 16 { flush() }
  }

  mutating func line(_ part: String = "") {
    append(part)
    append("\n")
  }

  mutating func flush() {
    Terminal.write(text)
    text.removeAll(keepingCapacity: true)
  }
}
