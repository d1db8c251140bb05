/* A conversation with the keyboard through its controller, by polling and by interrupts; no key is pressed.
 *
 * IBM PS/2 Hardware Interface Technical Reference: Keyboard and Auxiliary Device Controller; Keyboards. */
#include "../lib/check.h"

enum { DATA_PORT = 0x60, CONTROL_PORT = 0x64, OUTPUT_FULL = 1, INPUT_FULL = 2, MOST_POLLS = 1000000 };
enum { IRQ1_ENABLED = 0x01, TESTED = 0x04, KEYBOARD_OFF = 0x10, MOUSE_OFF = 0x20, TRANSLATE = 0x40 };
enum { ACKNOWLEDGE = 0xFA, PASSED = 0xAA, NOTHING = 0x100, VECTOR = 0x21 };

static volatile u32 interrupts, received;

static void wait_until_taken(void)
{
    for (u32 polls = 0; in8(CONTROL_PORT) & INPUT_FULL; polls++)
        CHECK(polls < MOST_POLLS);
}

static void command(u8 value)
{
    wait_until_taken();
    out8(CONTROL_PORT, value);
}

static void data(u8 value)
{
    wait_until_taken();
    out8(DATA_PORT, value);
}

static void set_command_byte(u8 value)
{
    command(0x60);
    data(value);
}

static u32 answer(void)
{
    for (u32 polls = 0; polls < MOST_POLLS; polls++)
        if (in8(CONTROL_PORT) & OUTPUT_FULL)
            return in8(DATA_PORT);
    return NOTHING;
}

static u32 answer_to_command(u8 value)
{
    command(value);
    return answer();
}

/* What the keyboard answers first. */
static u32 send(u8 value)
{
    data(value);
    return answer();
}

static void silent(void)
{
    CHECK(!(in8(CONTROL_PORT) & OUTPUT_FULL));
}

static void controller_passes_its_tests(void)
{
    command(0xAD);
    in8(DATA_PORT); /* whatever it was */
    CHECK_EQUAL(answer_to_command(0xAA), 0x55);
    CHECK_EQUAL(answer_to_command(0xAB), 0x00);
    set_command_byte(TESTED | MOUSE_OFF);
    CHECK_EQUAL(answer_to_command(0x20), TESTED | MOUSE_OFF);
}

static void keyboard_resets_and_says_what_it_is(void)
{
    CHECK_EQUAL(send(0xFF), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), PASSED);
    CHECK_EQUAL(send(0xF2), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), 0xAB);
    CHECK_EQUAL(answer(), 0x83);
    CHECK_EQUAL(send(0xEE), 0xEE);
    silent();
}

static void options_are_acknowledged(void)
{
    static const u8 with_option[] = {0xED, 0xF3};
    for (u32 i = 0; i < sizeof with_option; i++) {
        CHECK_EQUAL(send(with_option[i]), ACKNOWLEDGE);
        CHECK_EQUAL(send(0x02), ACKNOWLEDGE);
    }
    silent();
}

static void scan_code_set_is_held(void)
{
    for (u8 set = 1; set <= 3; set++) {
        CHECK_EQUAL(send(0xF0), ACKNOWLEDGE);
        CHECK_EQUAL(send(set), ACKNOWLEDGE);
        CHECK_EQUAL(send(0xF0), ACKNOWLEDGE);
        CHECK_EQUAL(send(0), ACKNOWLEDGE);
        CHECK_EQUAL(answer(), set);
    }
    CHECK_EQUAL(send(0xF6), ACKNOWLEDGE);
    CHECK_EQUAL(send(0xF0), ACKNOWLEDGE);
    CHECK_EQUAL(send(0), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), 2);
}

static void scanning_goes_off_and_on(void)
{
    CHECK_EQUAL(send(0xF5), ACKNOWLEDGE);
    CHECK_EQUAL(send(0xF4), ACKNOWLEDGE);
    CHECK_EQUAL(send(0xEF), 0xFE); /* no command */
    silent();
}

static void keyboard_waits_while_it_is_switched_off(void)
{
    CHECK_EQUAL(send(0xF2), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), 0xAB);
    set_command_byte(TESTED | MOUSE_OFF | KEYBOARD_OFF);
    in8(DATA_PORT); /* the next byte, if the controller had fetched it */
    silent();
    data(0xF2); /* switches it on */
    CHECK_EQUAL(answer(), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), 0xAB);
    CHECK_EQUAL(answer(), 0x83);
    CHECK_EQUAL(answer_to_command(0x20), TESTED | MOUSE_OFF);
}

static void identity_is_translated(void)
{
    set_command_byte(TESTED | MOUSE_OFF | TRANSLATE);
    CHECK_EQUAL(send(0xF2), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), 0xAB);
    CHECK_EQUAL(answer(), 0x41);
    CHECK_EQUAL(send(0xF0), ACKNOWLEDGE);
    CHECK_EQUAL(send(0), ACKNOWLEDGE);
    CHECK_EQUAL(answer(), 0x41); /* the second set */
}

static void take(struct frame *frame)
{
    (void)frame;
    interrupts++;
    received = received << 8 | in8(DATA_PORT);
    out8(0x20, 0x20);
}

static void start_interrupts(void)
{
    static const u8 master[] = {VECTOR - 1, 4, 1};
    out8(0x20, 0x11);
    for (u32 i = 0; i < 3; i++)
        out8(0x21, master[i]);
    out8(0x21, 0xFD);
    hooks[VECTOR] = take;
}

static void each_byte_is_an_interrupt(void)
{
    start_interrupts();
    set_command_byte(TESTED | MOUSE_OFF | TRANSLATE | IRQ1_ENABLED);
    data(0xF2);
    for (u32 polls = 0; interrupts < 3 && polls < MOST_POLLS; polls++)
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQUAL(interrupts, 3);
    CHECK_EQUAL(received, 0xFAAB41);
    set_command_byte(TESTED | MOUSE_OFF | TRANSLATE);
    data(0xEE);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQUAL(interrupts, 3);
    CHECK_EQUAL(answer(), 0xEE);
}

void program_main(void)
{
    controller_passes_its_tests();
    keyboard_resets_and_says_what_it_is();
    options_are_acknowledged();
    scan_code_set_is_held();
    scanning_goes_off_and_on();
    keyboard_waits_while_it_is_switched_off();
    identity_is_translated();
    each_byte_is_an_interrupt();
}
