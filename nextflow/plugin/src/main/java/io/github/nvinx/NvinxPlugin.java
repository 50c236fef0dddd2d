package io.github.nvinx;

import nextflow.plugin.BasePlugin;
import org.pf4j.PluginWrapper;

/** Nextflow's local executor, with GPU tasks that hold no CPU while they wait for the card. */
public class NvinxPlugin extends BasePlugin {
    public NvinxPlugin(PluginWrapper wrapper) {
        super(wrapper);
    }
}
