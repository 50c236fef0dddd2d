rule ancient:
    input: ancient("data/one.txt"), table=branch(len(config["samples"]) > 2, then="data/two.txt", otherwise="data/three.txt")
    output: "out/ancient.txt"
    shell: "cat {input} > {output}"
