package io.github.nvinx;

import java.util.Map;
import nextflow.processor.TaskConfig;

/** nvinx's own beforeScript and afterScript, which its configuration has for every task. */
final class Guard {
    private static final String EXT = "ext";
    private static final String BEFORE = "beforeScript";
    private static final String AFTER = "afterScript";
    static final String TEXT = "nvinx_guard";
    private static final String END = "nvinx_end";

    private Guard() {}

    /** Put them behind the scripts of the task's process, where these are its own. */
    static void join(TaskConfig config) {
        if (!text(config, TEXT).isBlank()) {
            join(config, BEFORE, TEXT);
            join(config, AFTER, END);
        }
    }

    private static void join(TaskConfig config, String script, String part) {
        Object own = config.getRawValue(script);
        if (!(own instanceof Joined)) {
            config.put(script, new Joined(own, part));
        }
    }

    /** What `ext` has for this task; a closure is computed. */
    static String text(TaskConfig config, String name) {
        Object found = config.get(EXT) instanceof Map<?, ?> ext ? ext.get(name) : null;
        return found == null ? "" : found.toString();
    }
}
