//! The characters that a reader does not see: one list for everything that shows, compares or refuses texts.

/// Returns whether a character steers a terminal, turns the direction of text, or has no width, so that
/// two different texts look alike. Combining marks and variation selectors are left alone: languages and emoji
/// need them.
pub fn is_hidden(character: char) -> bool {
    character.is_control() || (is_invisible(character) && !is_variation_selector(character))
}

/// Returns whether a character has no picture of its own: the code points that Unicode ignores by default
/// (`Default_Ignorable_Code_Point`), line separators and the marks of annotations. Control characters and spaces are
/// others.
pub fn is_invisible(character: char) -> bool {
    // Almost all characters.
    if character.is_ascii() {
        return false;
    }
    matches!(
        character,
        // Soft hyphen, grapheme joiner, Arabic letter mark, invisible letters and vowels.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        // Mongolian selectors and separator; zero-width spaces and joiners, directional marks.
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        // Line separators, embeddings and overrides; invisible operators and isolates.
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Hangul fillers, variation selectors, byte order mark, annotations.
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        // Marks of shorthand and of music; invisible tags and more variation selectors.
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns whether a character only chooses a picture for the one before it.
fn is_variation_selector(character: char) -> bool {
    matches!(
        character,
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}
