package io.github.nvinx;

import groovy.lang.Closure;
import groovy.lang.GString;
import java.util.Map;
import nextflow.extension.Bolts;
import nextflow.processor.TaskConfig;

/**
 * A script of the task's process with nvinx's part behind it, computed anew for each attempt: another
 * attempt has a copy of the configuration, and may ask for another size.
 */
final class Joined extends Closure<String> {
    private final Object own;
    private final String part;

    /** own: the script as its process says it, null for none. part: what `ext` calls ours. */
    Joined(Object own, String part) {
        super(null);
        this.own = own;
        this.part = part;
    }

    /** Called by Nextflow, for the task that its context holds. */
    public String doCall() {
        Map<?, ?> context = (Map<?, ?>) getDelegate();
        String ours = Guard.text((TaskConfig) context.get("task"), part);
        String theirs = text(context);
        if (theirs.isBlank()) {
            return ours;
        }
        return theirs.contains(ours) ? theirs : theirs + "\n" + ours;
    }

    private String text(Map<?, ?> context) {
        Object found = own;
        if (own instanceof Closure<?> computed) {
            found = Bolts.cloneWith(computed, context).call();
        } else if (own instanceof GString lazy) {
            found = Bolts.cloneAsLazy(lazy, context);
        }
        return found == null ? "" : found.toString();
    }
}
