// SPDX-License-Identifier: Apache-2.0

/// Colours and weights, on terminals alone.
///
/// `NO_COLOR` (any non-empty value, see no-color.org) and `TERM=dumb` turn them off;
/// `CLICOLOR_FORCE=1` turns them on where there is no terminal.
struct Style: Sendable {
  let isEnabled: Bool

  static let output = Style(isEnabled: decide(isTerminal: Terminal.outputIsTerminal))
  static let error = Style(isEnabled: decide(isTerminal: Terminal.errorIsTerminal))
  static let plain = Style(isEnabled: false)

  private static func decide(isTerminal: Bool) -> Bool {
    decide(
      isTerminal: isTerminal, noColor: Terminal.environment("NO_COLOR"),
      force: Terminal.environment("CLICOLOR_FORCE"), term: Terminal.environment("TERM"))
  }

  static func decide(isTerminal: Bool, noColor: String?, force: String?, term: String?) -> Bool {
    if let noColor, !noColor.isEmpty { return false }
    if let force, !force.isEmpty, force != "0" { return true }
    return isTerminal && term != "dumb"
  }

  func bold(_ text: String) -> String { wrap(text, "1") }
  func dim(_ text: String) -> String { wrap(text, "2") }
  func red(_ text: String) -> String { wrap(text, "31") }
  func green(_ text: String) -> String { wrap(text, "32") }
  func yellow(_ text: String) -> String { wrap(text, "33") }
  func cyan(_ text: String) -> String { wrap(text, "36") }

  private func wrap(_ text: String, _ code: String) -> String {
    isEnabled && !text.isEmpty ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }
}
